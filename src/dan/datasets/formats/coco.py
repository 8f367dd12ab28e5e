"""COCO keypoints: one JSON file with ``images``, ``annotations`` and ``categories``.

- Keypoints count from 0 and are kept as they stand; COCO's own are whole pixels, and so pixel
  centres. Boxes are ``[x, y, width, height]`` and become ``x, y, x + width, y + height``.
- Kept: visibility (0 not annotated, 1 occluded, 2 seen), boxes, sizes of images, images without
  faces, ``iscrowd`` or ``ignore`` as "pass over", numbers under ``attributes`` (as CVAT and others
  write), the scheme's point names and edges as the category's ``keypoints`` and ``skeleton``.
- The faces of whole bodies are read: ``face_kpts`` and ``face_box`` as COCO-WholeBody has them
  (persons whose face is not valid are left out), points 26 to 93 of the 136 of Halpe.
- Lost: coordinates of points whose visibility is 0, segmentations, ids, a scheme's groups and flip
  partners (unless its names are those of a scheme that we know).
- Coordinates are written with three decimals unless ``decimals`` says otherwise.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from dan.core.errors import FormatError
from dan.core.files import naming, read_bytes, write_text
from dan.core.types import FilePath, FloatArray, IntArray
from dan.datasets.formats.annotations import HIDDEN, UNKNOWN, VISIBLE, AnnotationSet, number_names
from dan.datasets.formats.reading import as_bytes, refusing, shown
from dan.schemes import FACE68, SCHEMES, LandmarkScheme

_NO_BOX = [np.nan] * 4
_Id = int | float | str  # 1.0 is 1, as programs write it that know no whole numbers
_Pixels = Annotated[float, msgspec.Meta(ge=0, lt=2**31)]
_NOTHING = msgspec.Raw(b"[]")
_HALPE_POINTS, _HALPE_FACE = 136, slice(26, 94)
MAX_ATTRIBUTES = 64
INFO = {"description": "Face landmarks, written by dan"}
"""What our files say of themselves: pycocotools 2.0.10 and later cannot do without."""


class _Image(msgspec.Struct, gc=False):
    id: _Id
    file_name: str
    width: _Pixels | None = 0
    height: _Pixels | None = 0


class _Annotation(msgspec.Struct, gc=False):
    image_id: _Id
    category_id: _Id | None = None
    # Left as it stands: numbers by the million become arrays face by face.
    keypoints: msgspec.Raw = _NOTHING
    bbox: list[float] | None = None
    iscrowd: float | bool | None = 0
    ignore: float | bool | None = 0
    attributes: dict[str, Any] | None = None
    face_kpts: msgspec.Raw = _NOTHING
    face_box: list[float] | None = None
    face_valid: float | bool | None = None


class _Category(msgspec.Struct):
    id: _Id
    name: str = ""
    keypoints: list[str] | None = None
    skeleton: list[tuple[float, float]] | None = None


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []


_decoder = msgspec.json.Decoder(_File)
_flat = msgspec.json.Decoder(list[float] | None)
_in_rows = msgspec.json.Decoder(list[list[float]])


def parse_coco(
    data: bytes | str, *, category: str | None = None, scheme: LandmarkScheme | None = None
) -> AnnotationSet:
    """Faces of a COCO keypoints file.

    Args:
        category: the name of the category that is meant; needed if several have keypoints.
        scheme: what the points are; without it, the category's names and skeleton say.

    Raises:
        FormatError: if it is no such JSON; the message says which entry, what was expected and
            what came.
    """
    try:
        content = _decoder.decode(as_bytes(data))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"expected COCO keypoints: {error}") from error
    except RecursionError as error:
        raise FormatError("expected COCO keypoints, got JSON that is nested too deep") from error
    with refusing():
        return _faces(content, category, scheme)


def _faces(content: _File, name: str | None, scheme: LandmarkScheme | None) -> AnnotationSet:
    annotations = content.annotations
    whole_bodies = any(_is_given(entry.face_kpts) for entry in annotations)
    category = None if whole_bodies and name is None else _category(content.categories, name)
    if category is not None:
        annotations = [entry for entry in annotations if entry.category_id == category.id]
    if whole_bodies:
        annotations = [_face_of(entry) for entry in annotations if _has_face(entry)]
        scheme = scheme or FACE68
    elif scheme is None and category is not None:
        scheme = _scheme_of_category(category)
    points, visibility = _keypoints(
        annotations, scheme.n_landmarks if scheme else None, any_certainty=whole_bodies
    )
    boxes = _boxes(annotations)
    if points.shape[1] == _HALPE_POINTS:
        points, visibility, scheme = points[:, _HALPE_FACE], visibility[:, _HALPE_FACE], FACE68
        boxes[:] = np.nan  # of the bodies
    names, place_of_image, place_of_id = _numbered(content.images)
    try:
        image_index = [place_of_id[entry.image_id] for entry in annotations]
    except KeyError as error:
        raise FormatError(
            "annotations: expected the id of a listed image as image_id, "
            f"got {shown(error.args[0])}"
        ) from error
    return AnnotationSet.build(
        names,
        np.array(image_index, dtype=np.int64),
        points,
        visibility=visibility,
        boxes_xyxy=boxes,
        ignore=np.array([bool(e.iscrowd or e.ignore) for e in annotations], dtype=np.bool_),
        image_sizes_wh=_sizes(content.images, place_of_image, len(names)),
        attributes=_attributes(annotations),
        scheme=scheme,
    )


def _is_given(keypoints: msgspec.Raw) -> bool:
    return bytes(keypoints) not in (b"[]", b"null")


def _has_face(person: _Annotation) -> bool:
    return _is_given(person.face_kpts) and person.face_valid in (None, True)


def _face_of(person: _Annotation) -> _Annotation:
    return msgspec.structs.replace(person, keypoints=person.face_kpts, bbox=person.face_box)


def _numbered(images: list[_Image]) -> tuple[tuple[str, ...], IntArray, dict[_Id, int]]:
    """Each name once, the place of each entry among them, and the place of each id."""
    names, place_of_image = number_names([image.file_name for image in images])
    ids = (image.id for image in images)
    return names, place_of_image, dict(zip(ids, place_of_image.tolist(), strict=True))


def _sizes(images: list[_Image], place_of_image: IntArray, n_names: int) -> IntArray:
    """(I, 2) width and height, 0 where not stated."""
    stated = [(image.width or 0, image.height or 0) for image in images]
    given = np.array(stated, dtype=np.float64).reshape(-1, 2)
    if (given % 1).any():
        image = int(np.argmax((given % 1).any(axis=1)))
        raise FormatError(
            f"images[{image}]: expected a size in whole pixels, got {given[image].tolist()}"
        )
    sizes = np.zeros((n_names, 2), dtype=np.int64)
    sizes[place_of_image] = given
    return sizes


def _category(categories: list[_Category], name: str | None) -> _Category | None:
    """The category that is meant; None if none is described."""
    named = [category for category in categories if category.keypoints]
    if name is not None:
        chosen = [category for category in categories if category.name == name]
        if len(chosen) != 1:
            known = shown([category.name for category in categories])
            raise FormatError(f"categories: expected {shown(name)} once, got {known}")
        return chosen[0]
    if len(named) > 1:
        raise FormatError(
            "categories: expected one with keypoints, or to be told which (--category NAME), "
            f"got {shown([category.name for category in named])}"
        )
    return named[0] if named else None


def _scheme_of_category(category: _Category) -> LandmarkScheme | None:
    if not category.keypoints:
        return None
    for known in SCHEMES.values():
        if known.point_names == tuple(category.keypoints):
            return known
    skeleton = np.array(category.skeleton or [], dtype=np.float64).reshape(-1, 2)
    if (skeleton == 0).any():
        raise FormatError(
            f"category {shown(category.name)}: expected a skeleton that counts its keypoints from "
            "1, as COCO's do, got one that counts from 0: add 1 to each number, or leave it out"
        )
    if (skeleton % 1).any():
        raise FormatError(f"category {shown(category.name)}: expected whole numbers as skeleton")
    edges = tuple((a - 1, b - 1) for a, b in skeleton.astype(np.int64).tolist())
    return LandmarkScheme(category.name or "coco", tuple(category.keypoints), edges=edges)


def _keypoints(
    annotations: list[_Annotation], n_landmarks: int | None, *, any_certainty: bool = False
) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """(F, N, 2) coordinates and (F, N) visibility.

    With ``any_certainty``, any number but 0 and 1 stands for a point that is seen.
    """
    rows = [_numbers(face, entry, n_landmarks) for face, entry in enumerate(annotations)]
    if n_landmarks is None:
        n_landmarks = max(map(len, rows), default=0) // 3
    for face, row in enumerate(rows):
        if len(row) not in (0, 3 * n_landmarks):
            raise FormatError(
                f"annotation {face}: expected {3 * n_landmarks} numbers as keypoints, "
                f"x, y, v of {n_landmarks} landmarks, got {len(row)}"
            )
    values = np.zeros((len(rows), n_landmarks, 3))
    for face, row in enumerate(rows):
        if len(row):
            values[face] = row.reshape(-1, 3)
    visibility = values[..., 2]
    if any_certainty:
        visibility[(visibility > UNKNOWN) & (visibility != HIDDEN)] = VISIBLE
    right = (visibility == UNKNOWN) | (visibility == HIDDEN) | (visibility == VISIBLE)
    if not right.all():
        face, point = np.argwhere(~right)[0].tolist()
        raise FormatError(
            f"annotation {face}: expected 0, 1 or 2 as visibility of point {point}, "
            f"got {visibility[face, point]:g}"
        )
    return values[..., :2], visibility.astype(np.uint8)


def _numbers(face: int, entry: _Annotation, n_landmarks: int | None) -> FloatArray:
    """The keypoints of a face, flat or in rows of three."""
    try:
        return np.array(_flat.decode(entry.keypoints) or [])
    except msgspec.ValidationError:
        pass
    try:
        return np.array(list(chain.from_iterable(_in_rows.decode(entry.keypoints))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        wanted = "numbers" if n_landmarks is None else f"{3 * n_landmarks} numbers"
        got = shown(bytes(entry.keypoints).decode(errors="replace"))
        raise FormatError(f"annotation {face}: expected {wanted} as keypoints, got {got}") from None


def _boxes(annotations: list[_Annotation]) -> FloatArray:
    rows = [entry.bbox or _NO_BOX for entry in annotations]
    wrong = next((face for face, row in enumerate(rows) if len(row) != 4), None)
    if wrong is not None:
        raise FormatError(f"annotation {wrong}: expected 4 numbers as bbox, got {len(rows[wrong])}")
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _attributes(annotations: list[_Annotation]) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for face, entry in enumerate(annotations):
        if not entry.attributes:
            continue
        for name, value in entry.attributes.items():
            if not isinstance(value, (int, float)) or abs(value) > 2**53:
                continue
            if name not in columns:
                if len(columns) == MAX_ATTRIBUTES:
                    raise FormatError(f"expected at most {MAX_ATTRIBUTES} attributes, got more")
                columns[name] = np.full(len(annotations), np.nan)
            columns[name][face] = value
    return columns


def render_coco(annotations: AnnotationSet, *, category: str = "face", decimals: int = 3) -> str:
    """The COCO keypoints file of some faces.

    Args:
        annotations: the faces, in their order; ids count from 1.
    """
    scheme = annotations.or_plain_scheme() if annotations.n_landmarks else None
    images = zip(annotations.image_names, annotations.image_sizes_wh.tolist(), strict=True)
    return coco_text(images, _entries(annotations, decimals), scheme, category=category)


def coco_text(
    images: Iterable[tuple[str, Sequence[int]]],
    faces: Iterable[Mapping[str, Any]],
    scheme: LandmarkScheme | None,
    *,
    category: str = "face",
) -> str:
    """The file as it is written, in ASCII where a name is no proper text.

    Args:
        images: name and (width, height) of each.
        faces: what :func:`coco_face` gave.
        scheme: names and edges of the points; None where faces have none.
    """
    described: dict[str, Any] = {"id": 1, "name": category, "supercategory": category}
    if scheme is not None:
        described["keypoints"] = list(scheme.point_names)
        described["skeleton"] = [[a + 1, b + 1] for a, b in scheme.edges]
    content = {
        "info": INFO,
        "images": [
            {"id": place, "file_name": name, "width": size[0], "height": size[1]}
            for place, (name, size) in enumerate(images, start=1)
        ],
        "annotations": [{"id": place, **face} for place, face in enumerate(faces, start=1)],
        "categories": [described],
    }
    try:
        return msgspec.json.encode(content).decode() + "\n"
    except UnicodeEncodeError:
        return json.dumps(content) + "\n"


def coco_face(
    image: int,
    points: FloatArray,
    visibility: Sequence[int],
    *,
    area: float,
    box_xyxy: Sequence[float] | None = None,
    ignore: bool = False,
    decimals: int = 3,
) -> dict[str, Any]:
    """One of a file's annotations.

    Args:
        points: (N, 2) pixels; NaN where unknown.
        area: of its box; pycocotools asks for it.
        box_xyxy: pixels; None: it has none.
    """
    rows = np.nan_to_num(np.round(points, decimals)).tolist()
    entry: dict[str, Any] = {
        "image_id": image + 1,
        "category_id": 1,
        "keypoints": [
            value for (x, y), v in zip(rows, visibility, strict=True) for value in (x, y, v)
        ],
        "num_keypoints": sum(v > 0 for v in visibility),
        "iscrowd": int(ignore),
        "area": area,
    }
    if box_xyxy is not None:
        x0, y0, x1, y1 = box_xyxy
        entry["bbox"] = [round(value, decimals) for value in (x0, y0, x1 - x0, y1 - y0)]
    return entry


def _entries(annotations: AnnotationSet, decimals: int) -> Iterator[dict[str, Any]]:
    areas = _areas(annotations.boxes_or_points_boxes())
    boxes = annotations.boxes_xyxy.tolist()
    no_box = np.isnan(annotations.boxes_xyxy[:, 0])
    for face, image in enumerate(annotations.image_index.tolist()):
        entry = coco_face(
            image,
            annotations.points[face],
            annotations.visibility[face].tolist(),
            area=areas[face],
            box_xyxy=None if no_box[face] else boxes[face],
            ignore=bool(annotations.ignore[face]),
            decimals=decimals,
        )
        figures = {name: float(values[face]) for name, values in annotations.attributes.items()}
        if not all(map(math.isnan, figures.values())):
            entry["attributes"] = {n: v for n, v in figures.items() if not math.isnan(v)}
        yield entry


def _areas(boxes_xyxy: FloatArray) -> list[float]:
    """Of each box; pycocotools asks for them. 0 where there is no box."""
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    areas: list[float] = np.nan_to_num(sides.prod(axis=1)).round(3).tolist()
    return areas


def load_coco(
    path: FilePath, *, category: str | None = None, scheme: LandmarkScheme | None = None
) -> AnnotationSet:
    """Read a COCO keypoints file; see :func:`parse_coco`. Errors name the file."""
    with naming(path):
        return parse_coco(read_bytes(path), category=category, scheme=scheme)


def save_coco(
    path: FilePath, annotations: AnnotationSet, *, category: str = "face", decimals: int = 3
) -> None:
    """Write a COCO keypoints file, whole or not at all; see :func:`render_coco`."""
    write_text(path, render_coco(annotations, category=category, decimals=decimals))
