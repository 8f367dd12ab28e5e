"""Annotation files: ``parse_`` and ``render_`` are pure, ``load_`` and ``save_`` touch files.

Formats of many faces read into one type and write from it, :class:`AnnotationSet`.
"""

from dan.datasets.formats.annotations import (
    HIDDEN,
    UNKNOWN,
    VISIBLE,
    AnnotationSet,
    same_annotations,
)
from dan.datasets.formats.boxes_json import (
    boxes_of,
    load_boxes,
    parse_boxes,
    render_boxes,
    save_boxes,
    with_boxes,
)
from dan.datasets.formats.coco import load_coco, parse_coco, render_coco, save_coco
from dan.datasets.formats.converting import convert_annotations
from dan.datasets.formats.dlib_xml import (
    load_dlib_xml,
    parse_dlib_xml,
    render_dlib_xml,
    save_dlib_xml,
)
from dan.datasets.formats.hrnet_csv import (
    load_hrnet_csv,
    parse_hrnet_csv,
    render_hrnet_csv,
    save_hrnet_csv,
)
from dan.datasets.formats.keypoint_arrays import from_keypoint_arrays, to_keypoint_arrays
from dan.datasets.formats.ljson import load_ljson, parse_ljson, render_ljson, save_ljson
from dan.datasets.formats.pts import load_pts, parse_pts, render_pts, save_pts
from dan.datasets.formats.ptv import load_ptv, parse_ptv, render_ptv, save_ptv
from dan.datasets.formats.theano_npz import load_theano_npz, parse_theano_npz
from dan.datasets.formats.wflw import load_wflw, parse_wflw, render_wflw, save_wflw
from dan.datasets.formats.youtube_csv import (
    load_youtube_csv,
    parse_youtube_csv,
    render_youtube_csv,
    save_youtube_csv,
)

__all__ = [
    "HIDDEN",
    "UNKNOWN",
    "VISIBLE",
    "AnnotationSet",
    "boxes_of",
    "convert_annotations",
    "from_keypoint_arrays",
    "load_boxes",
    "load_coco",
    "load_dlib_xml",
    "load_hrnet_csv",
    "load_ljson",
    "load_pts",
    "load_ptv",
    "load_theano_npz",
    "load_wflw",
    "load_youtube_csv",
    "parse_boxes",
    "parse_coco",
    "parse_dlib_xml",
    "parse_hrnet_csv",
    "parse_ljson",
    "parse_pts",
    "parse_ptv",
    "parse_theano_npz",
    "parse_wflw",
    "parse_youtube_csv",
    "render_boxes",
    "render_coco",
    "render_dlib_xml",
    "render_hrnet_csv",
    "render_ljson",
    "render_pts",
    "render_ptv",
    "render_wflw",
    "render_youtube_csv",
    "same_annotations",
    "save_boxes",
    "save_coco",
    "save_dlib_xml",
    "save_hrnet_csv",
    "save_ljson",
    "save_pts",
    "save_ptv",
    "save_wflw",
    "save_youtube_csv",
    "to_keypoint_arrays",
    "with_boxes",
]
