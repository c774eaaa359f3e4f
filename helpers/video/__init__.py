"""Films: reading and writing them, probes of what features of their frames know, and films as words.

Importing this package is instant: av, scikit-learn and torch load when a function needs them.
"""
