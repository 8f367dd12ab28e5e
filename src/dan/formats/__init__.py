"""Annotation files: ``parse_`` and ``render_`` are pure, ``load_`` and ``save_`` touch files."""

from dan.formats.boxes import load_boxes, parse_boxes
from dan.formats.pts import load_pts, parse_pts, render_pts, save_pts
from dan.formats.ptv import load_ptv, parse_ptv, render_ptv, save_ptv

__all__ = [
    "load_boxes",
    "load_pts",
    "load_ptv",
    "parse_boxes",
    "parse_pts",
    "parse_ptv",
    "render_pts",
    "render_ptv",
    "save_pts",
    "save_ptv",
]
