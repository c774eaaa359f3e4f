"""The tests; they mirror helpers/."""
