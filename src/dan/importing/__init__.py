"""Weights of the older implementations, as models of ours. Nothing in them is ever unpickled."""

from dan.importing.theano import load_theano

__all__ = ["load_theano"]
