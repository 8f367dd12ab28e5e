"""Landmark schemes: what each of the N points is, as data."""

from dan.schemes.face68 import FACE68
from dan.schemes.mirror import load_mirror, render_mirror
from dan.schemes.scheme import Eyes, LandmarkScheme

__all__ = ["FACE68", "Eyes", "LandmarkScheme", "load_mirror", "render_mirror", "scheme_of"]


def scheme_of(n_landmarks: int) -> LandmarkScheme:
    """The scheme of so many points when nobody says more: face68, or plain points."""
    return FACE68 if n_landmarks == FACE68.n_landmarks else LandmarkScheme.plain(n_landmarks)
