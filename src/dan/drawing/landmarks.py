"""Pictures of faces: landmarks, edges, boxes and captions painted on a copy of an image.

Every mark is light with a dark rim, so that it reads on any skin and any background, and grows with
the face. Points are set to a sixteenth of a pixel. The predicted and the true landmarks differ in
colour (blue against orange, safe for the usual colour blindness) and in form (dots against rings).
The ellipses about points are faint and have no rim: many overlap, and the face is beneath.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import as_array, as_box, as_floats, as_points, check_shape
from dan.core.errors import ConfigError, ShapeError
from dan.core.types import ColourImage, FloatArray, GreyImage, IntArray, Points
from dan.geometry import ellipse_radius, resize_transform
from dan.schemes import LandmarkScheme

Colour = tuple[int, int, int]

PREDICTED_RGB: Colour = (90, 215, 255)
TRUTH_RGB: Colour = (255, 165, 20)
BOX_RGB: Colour = (255, 255, 255)
AXES_RGB: tuple[Colour, ...] = ((255, 60, 60), (60, 255, 60), (80, 160, 255))
RIM_RGB: Colour = (12, 12, 20)
SHEET_RGB: Colour = (28, 28, 32)

LIKELY_SEEN = 0.5
"""Visibility from which a point counts as seen; below, it is painted hollow."""

ELLIPSE_SHARE = 0.95
"""Of a point's errors that lie within the ellipse about it."""

_SHIFT = 4
_FAR = 1 << 16  # pixels; keeps coordinates well inside OpenCV's 32-bit fixed point
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22.0  # pixels of a capital letter at font scale 1, about


@dataclass(frozen=True)
class _Pen:
    """Sizes of all marks, pixels of the picture that is painted."""

    line: int
    line_rim: int
    line_opacity: float
    radius: float
    rim: float

    @classmethod
    def for_face(cls, face_size: float) -> "_Pen":
        """Marks for a face whose larger side is ``face_size`` pixels.

        A line is never thinner than a pixel; on a small face it is fainter instead, so that the
        eyes and the lips stay visible beneath.
        """
        line = max(1, round(face_size / 250))
        return cls(
            line=line,
            line_rim=max(1, round(0.7 * line)),
            line_opacity=0.75 * float(np.clip(face_size / 200, 0.4, 1.0)),
            radius=max(float(np.clip(face_size / 60, 0.55, 0.9)), face_size / 130),
            rim=max(0.5, face_size / 300),
        )


def draw_face(
    image: GreyImage | ColourImage,
    points_xy: npt.ArrayLike | None,
    scheme: LandmarkScheme | None = None,
    *,
    truth_xy: npt.ArrayLike | None = None,
    box_xyxy: npt.ArrayLike | None = None,
    label: str | None = None,
    min_side: int = 0,
    colour: Colour = PREDICTED_RGB,
    covariance: npt.ArrayLike | None = None,
    visibility: npt.ArrayLike | None = None,
    axes_xy: npt.ArrayLike | None = None,
) -> ColourImage:
    """Paint one face on a copy of the image; call again on the result for a second face.

    Args:
        image: (H, W) grey or (H, W, 3) RGB, uint8. It is not changed.
        points_xy: (N, 2) predicted landmarks, pixels of ``image``; None for a face without any.
            What lies outside the image or is not finite is left out.
        scheme: joins the points by its edges; None paints points only.
        truth_xy: (N, 2) true landmarks, pixels of ``image``, painted beneath in the other colour.
        box_xyxy: (4,) box, pixels of ``image``.
        label: one short line, above the box and the points, or in the top left corner.
        min_side: of the longer side, pixels; a smaller picture is enlarged by a whole factor.
        colour: RGB of the predicted points and edges, to tell faces apart.
        covariance: (N, 2, 2) of the predicted points' errors, square pixels, for the ellipses.
        visibility: (N,) of the predicted points, 0..1; those below ``LIKELY_SEEN`` are hollow.
        axes_xy: (4, 2) of :meth:`dan.points.pose.HeadPose.axes_xy`: x red, y green, z blue.

    Returns:
        (s·H, s·W, 3) RGB uint8 with the whole factor ``s`` >= 1. Pixel centres are kept: an image
        point x lies at (x + 1/2)·s - 1/2.

    Raises:
        ShapeError: if an array has another shape, or the scheme another number of points.
    """
    rgb = _as_rgb("image", image)
    factor = max(1, ceil(min_side / max(rgb.shape[:2])))
    move = resize_transform(factor).apply
    n_landmarks = None if scheme is None else scheme.n_landmarks
    points = _placed("points", points_xy, n_landmarks, factor)
    truth = _placed("truth", truth_xy, n_landmarks, factor)
    box = None if box_xyxy is None else move(as_box("box", box_xyxy).reshape(2, 2)).reshape(4)
    canvas = _enlarged(rgb, factor)
    pen = _Pen.for_face(_face_size(canvas, points, truth, box))
    edges = () if scheme is None else scheme.edges
    if box is not None:
        _paint_box(canvas, box, pen)
    if truth is not None:
        _paint_truth(canvas, truth, edges, pen)
    if points is not None:
        _paint_edges(canvas, points, edges, colour, pen)
        _paint_ellipses(canvas, points, covariance, pen, rgb=colour, factor=factor)
        _paint_dots(canvas, points, visibility, colour, pen)
    if axes_xy is not None:
        _paint_axes(canvas, move(_of_points("axes", axes_xy, (4, 2))), pen)
    if label:
        _paint_label(canvas, label, None if box is None else _box_around(box, points))
    return canvas


def around_face(
    picture: ColourImage, points_xy: Points, *, margin: float = 0.25, least_px: float = 0
) -> ColourImage:
    """The part of a picture about some points: a view, of at least 8 pixels a side.

    Args:
        points_xy: (N, 2) points, pixels of the picture; N >= 1.
        margin: room around them, a share of the longer side of their box.
        least_px: or this many pixels, for points that lie close together.
    """
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    room = max(margin * float((high - low).max()), least_px)
    limits = np.array(picture.shape[1::-1])
    x0, y0 = np.clip(np.floor(low - room), 0, np.maximum(limits - 8, 0)).astype(int)
    x1, y1 = np.clip(np.ceil(high + room), [x0 + 8, y0 + 8], limits).astype(int)
    return picture[y0:y1, x0:x1]


def contact_sheet(
    tiles: Sequence[GreyImage | ColourImage],
    columns: int,
    tile_size: int,
    labels: Sequence[str] | None = None,
) -> ColourImage:
    """Pictures side by side, row by row, each fitted whole into a square, captions beneath.

    Args:
        tiles: (H, W) grey or (H, W, 3) RGB pictures, uint8, of any sizes; at least one.
        columns: pictures in a row, at least 1.
        tile_size: side of each square, pixels, at least 16.
        labels: one caption a picture, shortened where it does not fit.

    Returns:
        (rows·cell_h + gap, columns·cell_w + gap, 3) RGB uint8, where a cell is a square, its
        caption and one gap.

    Raises:
        ConfigError: if there are no tiles, or a size is too small.
        ShapeError: if a tile is no picture, or the labels are of another number.
    """
    if not tiles or columns < 1 or tile_size < 16:
        raise ConfigError(
            "contact sheet: expected tiles, columns >= 1 and tile size >= 16, "
            f"got {len(tiles)}, {columns} and {tile_size}"
        )
    if labels is not None and len(labels) != len(tiles):
        raise ShapeError(f"labels: expected {len(tiles)}, one a tile, got {len(labels)}")
    gap = max(2, tile_size // 50)
    caption = 0 if labels is None else max(14, tile_size // 10)
    cell_wh = tile_size + gap, tile_size + caption + gap
    rows = ceil(len(tiles) / columns)
    columns = min(columns, len(tiles))
    sheet = np.empty((rows * cell_wh[1] + gap, columns * cell_wh[0] + gap, 3), dtype=np.uint8)
    sheet[:] = SHEET_RGB
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x0, y0 = gap + column * cell_wh[0], gap + row * cell_wh[1]
        square = sheet[y0 : y0 + tile_size, x0 : x0 + tile_size]
        _place_centred(square, _as_rgb(f"tile {index}", tile))
        if labels is not None:
            strip = sheet[y0 + tile_size : y0 + tile_size + caption, x0 : x0 + tile_size]
            _paint_caption(strip, labels[index])
    return sheet


def _as_rgb(name: str, image: npt.NDArray[np.uint8]) -> ColourImage:
    """The image as (H, W, 3), not copied where it is so already."""
    image = as_array(name, image)
    fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if not fits or 0 in image.shape or image.dtype != np.uint8:
        raise ShapeError(
            f"{name}: expected (H, W) or (H, W, 3) of type uint8, got {image.shape} {image.dtype}"
        )
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def _finite_or_nan(points: Points) -> FloatArray:
    """(N, 2) float64 points, those with an infinite coordinate as NaN."""
    finite = np.isfinite(points).all(axis=1, keepdims=True)
    return np.where(finite, points, np.nan).astype(np.float64)


def _placed(
    name: str, given: npt.ArrayLike | None, n_landmarks: int | None, factor: int
) -> FloatArray | None:
    """Points in a picture that was enlarged by a factor, NaN where one is not finite."""
    if given is None:
        return None
    return resize_transform(factor).apply(_finite_or_nan(as_points(name, given, n_landmarks)))


def _of_points(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """What is said of points, as float64 of that shape."""
    floats = as_floats(name, values)
    check_shape(name, floats, shape)
    return floats


def _enlarged(rgb: ColourImage, factor: int) -> ColourImage:
    """A new picture, ``factor`` times as large; cv2.resize keeps pixel centres."""
    if factor == 1:
        return np.array(rgb, order="C")
    big = cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return np.asarray(big, dtype=np.uint8)


def _face_size(canvas: ColourImage, *shapes: FloatArray | None) -> float:
    """Larger side of the first shape that has an extent, else a half of the picture's."""
    picture_size = float(max(canvas.shape[:2]))
    for shape in shapes:
        corners = np.empty((0, 2)) if shape is None else shape.reshape(-1, 2)
        corners = corners[np.isfinite(corners).all(axis=1)]
        extent = float(np.ptp(corners, axis=0).max()) if len(corners) else 0.0
        if extent > 0:
            return min(extent, picture_size)
    return picture_size / 2


def _fixed(points: FloatArray) -> IntArray:
    """Coordinates in OpenCV's fixed point, with ``_SHIFT`` fractional bits."""
    fixed: IntArray = np.rint(np.clip(points, -_FAR, _FAR) * (1 << _SHIFT)).astype(np.int64)
    return fixed


def _paint(
    canvas: ColourImage, rgb: Colour, opacity: float, draw: Callable[[GreyImage], None]
) -> None:
    """Blend a colour into the canvas where ``draw`` paints 255 on an empty mask."""
    mask = np.zeros(canvas.shape[:2], dtype=np.uint8)
    draw(mask)
    x, y, width, height = cv2.boundingRect(mask)
    part, mask = canvas[y : y + height, x : x + width], mask[y : y + height, x : x + width]
    rows, columns = np.nonzero(mask)
    below = part[rows, columns].astype(np.float32)  # (K, 3)
    share = mask[rows, columns, None].astype(np.float32) * (opacity / 255.0)  # (K, 1)
    blended = below + (np.array(rgb, dtype=np.float32) - below) * share
    part[rows, columns] = np.rint(blended).astype(np.uint8)


def _paint_lines(
    canvas: ColourImage, segments: Sequence[FloatArray], rgb: Colour, pen: _Pen, opacity: float
) -> None:
    """(2, 2) segments, rim first."""

    def stroke(width: int) -> Callable[[GreyImage], None]:
        def draw(mask: GreyImage) -> None:
            for segment in segments:
                start, end = _fixed(segment).tolist()
                cv2.line(mask, start, end, (255,), width, cv2.LINE_AA, _SHIFT)

        return draw

    _paint(canvas, RIM_RGB, 0.6 * opacity, stroke(pen.line + 2 * pen.line_rim))
    _paint(canvas, rgb, opacity, stroke(pen.line))


def _paint_edges(
    canvas: ColourImage,
    points: Points,
    edges: Sequence[tuple[int, int]],
    rgb: Colour,
    pen: _Pen,
) -> None:
    segments = [points[list(edge)] for edge in edges]
    _paint_lines(canvas, [s for s in segments if np.isfinite(s).all()], rgb, pen, pen.line_opacity)


def _paint_box(canvas: ColourImage, box_xyxy: FloatArray, pen: _Pen) -> None:
    x0, y0, x1, y1 = box_xyxy.tolist()
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    sides = [corners[[place, (place + 1) % 4]] for place in range(4)]
    _paint_lines(canvas, sides, BOX_RGB, pen, opacity=0.9)


def _paint_axes(canvas: ColourImage, axes_xy: FloatArray, pen: _Pen) -> None:
    thick = replace(pen, line=pen.line + 1)
    for end, colour in zip(axes_xy[1:], AXES_RGB, strict=True):
        _paint_lines(canvas, [np.stack([axes_xy[0], end])], colour, thick, opacity=1.0)


def _discs(points: Points, radius: float, hole: float = -1.0) -> Callable[[GreyImage], None]:
    """Discs, or rings about a hole, at those (N, 2) points that are finite and touch the picture.

    Coverage is computed, since cv2.circle is off by up to half a pixel at radii of a pixel or two.
    """

    def draw(mask: GreyImage) -> None:
        height, width = mask.shape
        reach = ceil(radius) + 1
        near = (points > -reach) & (points < [width + reach, height + reach])  # false where NaN
        x, y = points[near.all(axis=1)].T[:, :, None, None]  # (K, 1, 1) each
        steps = np.arange(-reach, reach + 1)
        columns, rows = np.rint(x).astype(int) + steps, np.rint(y).astype(int) + steps[:, None]
        distance = np.hypot(columns - x, rows - y)  # (K, side, side)
        cover = np.clip(radius + 0.5 - distance, 0, 1) - np.clip(hole + 0.5 - distance, 0, 1)
        seen = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        places = [np.broadcast_to(index, seen.shape)[seen] for index in (rows, columns)]
        np.maximum.at(mask, tuple(places), np.rint(255 * cover[seen]).astype(np.uint8))

    return draw


def _paint_dots(
    canvas: ColourImage,
    points: Points,
    visibility: npt.ArrayLike | None,
    rgb: Colour,
    pen: _Pen,
) -> None:
    hollow = np.zeros(len(points), dtype=np.bool_)
    if visibility is not None:
        hollow = _of_points("visibility", visibility, (len(points),)) < LIKELY_SEEN
    full = points[~hollow]
    _paint(canvas, RIM_RGB, 0.85, _discs(full, pen.radius + pen.rim))
    _paint(canvas, rgb, 1.0, _discs(full, pen.radius))
    if hollow.any():  # larger, as a hole in so small a dot would not be seen
        radius = 2 * pen.radius
        hole = radius - max(1.0, 0.7 * pen.radius)
        _paint(canvas, RIM_RGB, 0.85, _discs(points[hollow], radius + pen.rim))
        _paint(canvas, rgb, 1.0, _discs(points[hollow], radius, hole))


def _ellipses(points: Points, covariance: npt.ArrayLike, factor: int) -> FloatArray:
    """(K, 64, 2) outlines about those of (N, 2) points that are finite.

    Args:
        points: pixels of the enlarged picture.
        covariance: (N, 2, 2), square pixels of the image.
        factor: by which that was enlarged.
    """
    spread = factor**2 * _of_points("covariance", covariance, (len(points), 2, 2))
    known = np.isfinite(points).all(axis=1) & np.isfinite(spread).all(axis=(1, 2))
    variances, axes = np.linalg.eigh(spread[known])  # (K, 2); (K, 2, 2), an axis a column
    half_axes = ellipse_radius(ELLIPSE_SHARE) * np.sqrt(np.maximum(variances, 0))
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)])  # (2, 64)
    outlines: FloatArray = (axes * half_axes[:, None] @ circle).swapaxes(1, 2)
    return points[known][:, None] + outlines


def _paint_ellipses(
    canvas: ColourImage,
    points: Points,
    covariance: npt.ArrayLike | None,
    pen: _Pen,
    *,
    rgb: Colour,
    factor: int,
) -> None:
    if covariance is None:
        return
    outlines, width = _ellipses(points, covariance, factor), max(1, round(pen.line / 2))

    def draw(mask: GreyImage) -> None:
        fixed = list(_fixed(outlines).astype(np.int32))
        cv2.polylines(mask, fixed, True, (255,), width, cv2.LINE_AA, _SHIFT)

    _paint(canvas, rgb, 0.8 * pen.line_opacity, draw)


def _paint_truth(
    canvas: ColourImage, points: Points, edges: Sequence[tuple[int, int]], pen: _Pen
) -> None:
    """Edges, and rings that stay visible about a dot."""
    hole = 1.7 * pen.radius
    width = max(1.0, 0.7 * pen.radius)
    rim = 0.7 * pen.rim
    _paint_edges(canvas, points, edges, TRUTH_RGB, pen)
    _paint(canvas, RIM_RGB, 0.7, _discs(points, hole + width + rim, hole - rim))
    _paint(canvas, TRUTH_RGB, 1.0, _discs(points, hole + width, hole))


def _fitted_text(text: str, height: float, width: float) -> tuple[str, float, int]:
    """The text, font scale and thickness for capitals ``height`` high in ``width`` pixels.

    A text that is too long is set down to 0.7 of the height, then shortened with dots.
    """
    scale = height / _FONT_HEIGHT
    thickness = max(1, round(height / 11))
    needed = cv2.getTextSize(text, _FONT, scale, thickness)[0][0]
    scale *= min(1.0, max(0.7, width / max(needed, 1)))
    shown, kept = text, len(text)
    while kept > 1 and cv2.getTextSize(shown, _FONT, scale, thickness)[0][0] > width:
        kept -= 1
        shown = text[:kept].rstrip() + ".."
    return shown, scale, thickness


def _paint_text(
    canvas: ColourImage, text: str, start_xy: tuple[int, int], scale: float, bold: int
) -> None:
    def draw(mask: GreyImage) -> None:
        cv2.putText(mask, text, start_xy, _FONT, scale, (255,), bold, cv2.LINE_AA)

    _paint(canvas, BOX_RGB, 1.0, draw)


def _box_around(box_xyxy: FloatArray, points: FloatArray | None) -> FloatArray:
    """The box, higher where finite points lie above it."""
    tops = [] if points is None else points[np.isfinite(points).all(axis=1), 1].tolist()
    x0, y0, x1, y1 = box_xyxy.tolist()
    return np.array([x0, min([y0, *tops]), x1, y1])


def _paint_label(canvas: ColourImage, label: str, box_xyxy: FloatArray | None) -> None:
    """White text on a dark plate, above the box where there is room, always inside the picture.

    Above a face it is no larger than suits the face: there may be others beside.
    """
    height, width = canvas.shape[:2]
    letter = float(np.clip(min(height, width) / 32, 7, 40))
    if box_xyxy is not None:
        letter = min(letter, max(7.0, float(np.max(box_xyxy[2:] - box_xyxy[:2])) / 9))
    margin = max(2, round(letter / 3))
    text, scale, bold = _fitted_text(label, letter, width - 2 * margin)
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, bold)
    plate_wh = text_width + 2 * margin, text_height + below + 2 * margin
    x, y = (0, 0) if box_xyxy is None else (box_xyxy[0], box_xyxy[1] - plate_wh[1])
    x0 = int(np.clip(x, 0, max(0, width - plate_wh[0])))
    y0 = int(np.clip(y, 0, max(0, height - plate_wh[1])))

    def plate(mask: GreyImage) -> None:
        mask[y0 : y0 + plate_wh[1], x0 : x0 + plate_wh[0]] = 255

    _paint(canvas, RIM_RGB, 0.7, plate)
    _paint_text(canvas, text, (x0 + margin, y0 + margin + text_height), scale, bold)


def _paint_caption(strip: ColourImage, label: str) -> None:
    height, width = strip.shape[:2]
    text, scale, bold = _fitted_text(label, 0.5 * height, width - 4)
    text_width = cv2.getTextSize(text, _FONT, scale, bold)[0][0]
    start_xy = max(2, (width - text_width) // 2), round(0.75 * height)
    _paint_text(strip, text, start_xy, scale, bold)


def _place_centred(square: ColourImage, rgb: ColourImage) -> None:
    """Fit a picture whole into the square, its sides in proportion."""
    side = len(square)
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted = rgb if scale == 1 else cv2.resize(rgb, size_wh, interpolation=method)
    x0, y0 = (side - size_wh[0]) // 2, (side - size_wh[1]) // 2
    square[y0 : y0 + size_wh[1], x0 : x0 + size_wh[0]] = fitted
