"""Plumbing of the grounding lessons: reading what a learner brings."""
