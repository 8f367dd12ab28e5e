"""Faces followed through video: the tracker, its smoothing, frames in, pictures and rows out."""
