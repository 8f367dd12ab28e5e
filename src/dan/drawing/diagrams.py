"""Diagrams of landmark schemes: dark lines on white, points with their indices."""

from collections.abc import Iterable

import cv2
import numpy as np

from dan.core.checks import as_points
from dan.core.types import ColourImage, FloatArray
from dan.schemes import LandmarkScheme, MirrorFit

Colour = tuple[int, int, int]

POINT_RGB: Colour = (20, 90, 180)
EDGE_RGB: Colour = (150, 160, 175)
MIDDLE_RGB: Colour = (20, 140, 80)
DOUBT_RGB: Colour = (215, 90, 0)
TEXT_RGB: Colour = (30, 30, 35)

SIDE = 1000
"""Larger side of the face in the diagram, pixels."""
MOST_LABELS = 120
"""Schemes of more points are drawn without indices: they would cover each other."""

_MARGIN = 70
_FOOT = 50
_FINE = 2  # everything is painted so many times larger, then shrunk: lines without steps
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DIRECTIONS = np.deg2rad(np.arange(16) * 22.5)


class _Sheet:
    """A white sheet that a shape is fitted on; positions are given in the shape's frame."""

    def __init__(self, shape: FloatArray) -> None:
        low, high = shape.min(axis=0), shape.max(axis=0)
        self._scale = SIDE / max(float((high - low).max()), 1e-9)
        self._low = low
        width, height = (np.ceil((high - low) * self._scale) + 2 * _MARGIN).astype(int).tolist()
        size = (_FINE * (height + _FOOT), _FINE * width, 3)
        self.pixels: ColourImage = np.full(size, 255, dtype=np.uint8)
        self.places = self.place(shape)
        self._lines: list[FloatArray] = [np.empty((0, 2))]  # points along what was drawn

    def place(self, points: FloatArray) -> FloatArray:
        """(..., 2) pixels of the fine sheet."""
        places: FloatArray = ((points - self._low) * self._scale + _MARGIN) * _FINE
        return places

    def line(self, start: FloatArray, end: FloatArray, colour: Colour, width: int = 2) -> None:
        first, last = (np.rint(point).astype(int).tolist() for point in (start, end))
        cv2.line(self.pixels, first, last, colour, _FINE * width, cv2.LINE_AA)
        self._lines.append(np.linspace(start, end, 2 + int(np.abs(end - start).max() / 10)))

    def dot(self, place: FloatArray, colour: Colour) -> None:
        centre = np.rint(place).astype(int).tolist()
        cv2.circle(self.pixels, centre, _FINE * 6, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(self.pixels, centre, _FINE * 5, colour, -1, cv2.LINE_AA)

    def labels(self) -> None:
        """Each point's index beside it, off other marks, outwards where that is free."""
        if len(self.places) > MOST_LABELS:
            return
        taken = [*self.places]
        reach = _FINE * np.array([19.0, 16.0])
        ways = np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)], axis=1)
        outward = self.places - self.places.mean(axis=0)
        for index, place in enumerate(self.places):
            spots = place + reach * ways
            others = np.array(taken[:index] + taken[index + 1 :]).reshape(-1, 2)
            room = _nearest(spots, others, _FINE * 26.0)
            room += _nearest(spots, np.concatenate(self._lines), _FINE * 12.0)
            liking = room + ways @ outward[index] / max(*np.abs(outward[index]), 1.0)
            taken.append(spots[int(np.argmax(liking))])
            self._text(str(index), taken[-1], 0.42)

    def foot(self, text: str) -> None:
        height, width = self.pixels.shape[:2]
        self._text(text, np.array([width / 2, height - _FINE * _FOOT / 2]), 0.62)

    def _text(self, text: str, centre: FloatArray, scale: float) -> None:
        (width, height), _ = cv2.getTextSize(text, _FONT, _FINE * scale, _FINE)
        corner = centre + np.array([-width / 2, height / 2])
        start = np.rint(corner).astype(int).tolist()
        for colour, width in (((255, 255, 255), 4 * _FINE), (TEXT_RGB, _FINE)):  # on a white rim
            cv2.putText(self.pixels, text, start, _FONT, _FINE * scale, colour, width, cv2.LINE_AA)

    def shrunk(self) -> ColourImage:
        size_wh = self.pixels.shape[1] // _FINE, self.pixels.shape[0] // _FINE
        small = cv2.resize(self.pixels, size_wh, interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)


def _nearest(spots: FloatArray, marks: FloatArray, enough: float) -> FloatArray:
    """(S,) distance of each spot to the nearest of (M, 2) marks, at most ``enough``."""
    nearest: FloatArray = np.linalg.norm(spots[:, None] - marks, axis=2).min(axis=1, initial=enough)
    return nearest


def draw_scheme(scheme: LandmarkScheme, positions: FloatArray) -> ColourImage:
    """A scheme's points with indices, joined by its edges.

    Args:
        scheme: what to draw; its middle line, where flipping is defined, has a colour of its own.
        positions: (N, 2) where the points are, any frame, y downwards.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        ShapeError: if there is another number of positions.
    """
    sheet = _Sheet(as_points("positions", positions, scheme.n_landmarks).astype(np.float64))
    for a, b in scheme.edges:
        sheet.line(sheet.places[a], sheet.places[b], EDGE_RGB)
    mirror = scheme.mirror
    middle = () if mirror is None else np.flatnonzero(mirror == np.arange(len(mirror))).tolist()
    _dots(sheet, middle, ())
    sheet.labels()
    sheet.foot(f"{scheme.name}: {scheme.n_landmarks} points")
    return sheet.shrunk()


def draw_mirror_fit(fit: MirrorFit) -> ColourImage:
    """The most symmetric face of a fit: partners joined, the middle line, doubtful points marked.

    Returns:
        (H, W, 3) RGB uint8.
    """
    sheet = _Sheet(fit.shape)
    middle = np.flatnonzero(fit.mirror == np.arange(len(fit.mirror))).tolist()
    top, bottom = fit.shape[:, 1].min(), fit.shape[:, 1].max()
    ends = sheet.place(np.array([[0.0, top - 0.03], [0.0, bottom + 0.03]]))
    sheet.line(ends[0], ends[1], MIDDLE_RGB, 1)
    doubtful = set(np.flatnonzero(fit.doubtful).tolist())
    for one, other in enumerate(fit.mirror.tolist()):
        if one < other:
            colour = DOUBT_RGB if {one, other} & doubtful else EDGE_RGB
            sheet.line(sheet.places[one], sheet.places[other], colour, 1)
    _dots(sheet, middle, doubtful)
    sheet.labels()
    n_pairs = (len(fit.mirror) - len(middle)) // 2
    sheet.foot(
        f"{n_pairs} pairs, {len(middle)} on the middle line (green), "
        f"{len(doubtful)} doubtful (orange)"
    )
    return sheet.shrunk()


def _dots(sheet: _Sheet, middle: Iterable[int], doubtful: Iterable[int]) -> None:
    colours = dict.fromkeys(middle, MIDDLE_RGB) | dict.fromkeys(doubtful, DOUBT_RGB)
    for index, place in enumerate(sheet.places):
        sheet.dot(place, colours.get(index, POINT_RGB))
