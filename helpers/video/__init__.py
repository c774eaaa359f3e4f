"""Films: reading and writing them, and probes that tell what features of their frames know.

Importing this package is instant: av, scikit-learn and torch load when a function needs them.
"""
