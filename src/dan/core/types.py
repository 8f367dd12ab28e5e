"""Array aliases used in signatures; shapes and frames stand in each function's docstring."""

from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.floating[Any]]
"""(N, 2) landmarks, (x, y), pixels, 0-based, integer = pixel centre."""

Box = npt.NDArray[np.floating[Any]]
"""(4,) box ``x0, y0, x1, y1`` in pixels."""

GreyImage = npt.NDArray[np.uint8]
"""(H, W) grey levels 0..255."""

ColourImage = npt.NDArray[np.uint8]
"""(H, W, 3) RGB levels 0..255."""

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

FilePath = str | PathLike[str]
