"""Annotation files: ``parse_`` and ``render_`` are pure, ``load_`` and ``save_`` touch files.

Formats of many faces read into one type and write from it, :class:`AnnotationSet`.
"""

from dan.datasets.formats.annotations import HIDDEN as HIDDEN
from dan.datasets.formats.annotations import UNKNOWN as UNKNOWN
from dan.datasets.formats.annotations import VISIBLE as VISIBLE
from dan.datasets.formats.annotations import AnnotationSet as AnnotationSet
from dan.datasets.formats.annotations import same_annotations as same_annotations
from dan.datasets.formats.boxes_json import boxes_of as boxes_of
from dan.datasets.formats.boxes_json import load_boxes as load_boxes
from dan.datasets.formats.boxes_json import parse_boxes as parse_boxes
from dan.datasets.formats.boxes_json import render_boxes as render_boxes
from dan.datasets.formats.boxes_json import save_boxes as save_boxes
from dan.datasets.formats.boxes_json import with_boxes as with_boxes
from dan.datasets.formats.coco import load_coco as load_coco
from dan.datasets.formats.coco import parse_coco as parse_coco
from dan.datasets.formats.coco import render_coco as render_coco
from dan.datasets.formats.coco import save_coco as save_coco
from dan.datasets.formats.converting import convert_annotations as convert_annotations
from dan.datasets.formats.dlib_xml import load_dlib_xml as load_dlib_xml
from dan.datasets.formats.dlib_xml import parse_dlib_xml as parse_dlib_xml
from dan.datasets.formats.dlib_xml import render_dlib_xml as render_dlib_xml
from dan.datasets.formats.dlib_xml import save_dlib_xml as save_dlib_xml
from dan.datasets.formats.hrnet_csv import load_hrnet_csv as load_hrnet_csv
from dan.datasets.formats.hrnet_csv import parse_hrnet_csv as parse_hrnet_csv
from dan.datasets.formats.hrnet_csv import render_hrnet_csv as render_hrnet_csv
from dan.datasets.formats.hrnet_csv import save_hrnet_csv as save_hrnet_csv
from dan.datasets.formats.keypoint_arrays import from_keypoint_arrays as from_keypoint_arrays
from dan.datasets.formats.keypoint_arrays import to_keypoint_arrays as to_keypoint_arrays
from dan.datasets.formats.ljson import load_ljson as load_ljson
from dan.datasets.formats.ljson import parse_ljson as parse_ljson
from dan.datasets.formats.ljson import render_ljson as render_ljson
from dan.datasets.formats.ljson import save_ljson as save_ljson
from dan.datasets.formats.pts import load_pts as load_pts
from dan.datasets.formats.pts import parse_pts as parse_pts
from dan.datasets.formats.pts import render_pts as render_pts
from dan.datasets.formats.pts import save_pts as save_pts
from dan.datasets.formats.ptv import load_ptv as load_ptv
from dan.datasets.formats.ptv import parse_ptv as parse_ptv
from dan.datasets.formats.ptv import render_ptv as render_ptv
from dan.datasets.formats.ptv import save_ptv as save_ptv
from dan.datasets.formats.theano_npz import load_theano_npz as load_theano_npz
from dan.datasets.formats.theano_npz import parse_theano_npz as parse_theano_npz
from dan.datasets.formats.wflw import load_wflw as load_wflw
from dan.datasets.formats.wflw import parse_wflw as parse_wflw
from dan.datasets.formats.wflw import render_wflw as render_wflw
from dan.datasets.formats.wflw import save_wflw as save_wflw
from dan.datasets.formats.youtube_csv import load_youtube_csv as load_youtube_csv
from dan.datasets.formats.youtube_csv import parse_youtube_csv as parse_youtube_csv
from dan.datasets.formats.youtube_csv import render_youtube_csv as render_youtube_csv
from dan.datasets.formats.youtube_csv import save_youtube_csv as save_youtube_csv
