"""Deep Alignment Network: face landmarks, from training to finding them.

Nothing is imported here, so that ``import dan`` costs nothing; take what you need from the modules,
such as :mod:`dan.geometry` or :mod:`dan.metrics`.
"""

__version__ = "0.1.0"
