"""Synthetic data: asking generators, filtering what they wrote, measuring it, documenting it, and agents.

Importing this package is instant: datasets, datasketch, openai and torch load when a function needs them.
"""
