"""The data sets that the Theano version saved: ``.npz`` files of its ``ImageServer``.

- Read: ``filenames``, ``origLandmarks`` (0-based pixels of the original pictures) and
  ``boundingBoxes`` where it was trained or tested from a detector's boxes. Nobody writes them.
- Rows marked in ``mirrors`` are left out: their points belong to flipped pictures that exist in
  no file.
- Only what can be read **without pickle**. Arrays of objects in such a file, and the ``.pkl``
  dictionaries of boxes beside it, are refused: a pickle can run any program. The same boxes are
  published as JSON (:func:`dan.datasets.formats.load_boxes`).
"""

import io
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import FormatError
from dan.core.files import naming, read_bytes
from dan.core.types import FilePath
from dan.datasets.formats.annotations import AnnotationSet, number_names
from dan.datasets.formats.reading import refusing, shown

MAX_BYTES = 1 << 28
"""Of one array; the landmarks of 200,000 faces fit."""


def parse_theano_npz(data: bytes) -> AnnotationSet:
    """Faces of a saved data set.

    Raises:
        FormatError: naming the array, if it is no such file, or an array is missing, too large,
            pickled or of another shape.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {
                name: _array(archive, name)
                for name in ("filenames", "origLandmarks", "boundingBoxes", "mirrors")
            }
    except FormatError:
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, RuntimeError) as error:
        raise FormatError(f"expected an .npz file: {shown(str(error))}") from error
    with refusing():
        return _faces(arrays)


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise FormatError(f"expected an array {name}, got none") from None
    if info.file_size > MAX_BYTES:
        raise FormatError(f"{name}: expected at most {MAX_BYTES} bytes, got {info.file_size}")
    with archive.open(info) as file:
        content = file.read(MAX_BYTES + 1)
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
    shape, _, dtype = read(stream) if read else np.lib.format.read_array_header_2_0(stream)
    if dtype.hasobject:
        raise FormatError(f"{name}: expected plain numbers or words, got pickled objects")
    n_bytes = dtype.itemsize * int(np.prod(shape, dtype=object))
    if n_bytes != len(content) - stream.tell():
        raise FormatError(f"{name}: expected {n_bytes} bytes as its heading says")
    array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _faces(arrays: dict[str, npt.NDArray[Any]]) -> AnnotationSet:
    names, mirrors = arrays["filenames"], arrays["mirrors"]
    points, boxes = arrays["origLandmarks"], arrays["boundingBoxes"]
    kinds = {"filenames": "U", "mirrors": "b", "origLandmarks": "fiu", "boundingBoxes": "fiu"}
    for name, array in arrays.items():
        if array.size and array.dtype.kind not in kinds[name]:
            raise FormatError(f"{name}: got an array of the wrong kind, {array.dtype}")
    check_shape("filenames", names, ("n",))
    check_shape("mirrors", mirrors, names.shape)
    check_shape("origLandmarks", points, (len(names), "N", 2))
    if boxes.size:
        check_shape("boundingBoxes", boxes, (len(names), 4))
    kept = np.flatnonzero(~mirrors.astype(np.bool_))
    image_names, image_index = number_names(names[kept].tolist())
    return AnnotationSet.build(
        image_names, image_index, points[kept], boxes_xyxy=boxes[kept] if boxes.size else None
    )


def load_theano_npz(path: FilePath) -> AnnotationSet:
    """Read a saved data set; see :func:`parse_theano_npz`. Errors name the file."""
    with naming(path):
        return parse_theano_npz(read_bytes(path))
