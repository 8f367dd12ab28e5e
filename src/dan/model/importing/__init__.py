"""Weights of the older implementations, as models of ours. Nothing in them is ever unpickled."""

from dan.model.importing.tensorflow import load_tensorflow
from dan.model.importing.theano import load_theano

__all__ = ["load_tensorflow", "load_theano"]
