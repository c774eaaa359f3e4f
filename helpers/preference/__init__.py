"""Preferences: the losses, training with TRL, the same training in a plain loop, and what is measured.

Importing this package is instant: torch, transformers and TRL load when a function needs them.
"""
