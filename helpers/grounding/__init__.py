"""Plumbing of the lessons on grounding: reading what a learner brings.

The ideas (counting, associating, looking) stand in the notebooks.
"""
