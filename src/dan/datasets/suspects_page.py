"""Annotated faces to look at: a contact sheet, and a page of suspects."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dan.core.errors import DanError, DataError
from dan.core.images import encode_png, read_rgb
from dan.core.types import ColourImage, IntArray
from dan.datasets.suspects import Source, Suspect
from dan.drawing.landmarks import around_face, contact_sheet, draw_face

TILE = 200
MARGIN = 0.35
"""Room around the face, as a share of its size."""

LEAST_ROOM = 0.1
"""Or this share of the picture's longer side, for faces that collapsed."""

MOST_SHOWN = 300
"""Suspects of one kind of fault that the page shows."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 1rem;
     padding: 0; list-style: none }
li { overflow-wrap: anywhere } img { max-width: 200px; max-height: 200px; display: block }
small { opacity: .75 }
@media (prefers-color-scheme: dark) { body { background: #181a1f; color: #ddd } }
"""


def draw_annotated(source: Source, face: int) -> ColourImage:
    """The part of its image about a face, landmarks drawn; all of it for a face without points."""
    faces = source.annotations
    path = faces.image_paths(source.root)[int(faces.image_index[face])]
    picture, points = read_rgb(path), faces.points[face]
    known = points[faces.known[face]]
    if not len(known):
        return picture
    scheme = faces.or_plain_scheme() if faces.known[face].all() else None
    drawn = draw_face(picture, known, scheme, min_side=0)
    least = LEAST_ROOM * max(picture.shape[:2])
    return around_face(drawn, known, margin=MARGIN, least_px=least)


def drawable_faces(source: Source) -> IntArray:
    """Places of the faces of which a point is known.

    Raises:
        DataError: if there is none.
    """
    drawable = np.flatnonzero(source.annotations.known.any(axis=1))
    if not len(drawable):
        raise DataError(f"{source.name}: expected at least one annotated face, found none")
    return drawable


def draw_some(
    source: Source,
    count: int,
    *,
    columns: int,
    seed: int,
    on_face: Callable[[], None] = lambda: None,
) -> ColourImage:
    """A sheet of some faces, drawn at random, in their order.

    Args:
        source: with at least one face of which a point is known.
    """
    faces = source.annotations
    order = np.random.default_rng(seed).permutation(drawable_faces(source))[:count]
    tiles, labels = [], []
    for face in sorted(order.tolist()):
        tiles.append(draw_annotated(source, face))
        labels.append(Path(faces.face_names[face]).name)
        on_face()
    return contact_sheet(tiles, min(columns, len(tiles)), TILE, labels)


def render_suspects(
    sources: Mapping[str, Source],
    suspects: Sequence[Suspect],
    on_suspect: Callable[[], None] = lambda: None,
) -> str:
    """One HTML page with pictures inside, by kind of fault; calls back after each suspect."""
    counts = Counter(suspect.fault for suspect in suspects)
    parts = [f"<!doctype html><meta charset='utf-8'><title>Suspects</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>{len(suspects)} suspects</h1>")
    for fault, count in counts.most_common():
        parts.append(f"<h2>{html.escape(fault)}: {count}</h2><ul>")
        shown = 0
        for suspect in suspects:
            if suspect.fault != fault:
                continue
            if shown < MOST_SHOWN:
                parts.append(_item(sources[suspect.source], suspect))
            shown += 1
            on_suspect()
        parts.append("</ul>")
        if count > MOST_SHOWN:
            parts.append(f"<p>and {count - MOST_SHOWN} more</p>")
    return "\n".join(parts) + "\n"


def _item(source: Source, suspect: Suspect) -> str:
    picture = _picture(source, suspect)
    image = ""
    if picture is not None:
        data = base64.b64encode(encode_png(_shrunk(picture))).decode()
        image = f"<img alt='' src='data:image/png;base64,{data}'>"
    words = html.escape(suspect.detail)
    name = html.escape(f"{suspect.source}: {suspect.image}")
    return f"<li>{image}<b>{words}</b><br><small>{name}</small></li>"


def _picture(source: Source, suspect: Suspect) -> ColourImage | None:
    try:
        if suspect.face is not None:
            return draw_annotated(source, suspect.face)
        path = source.root / suspect.image
        return read_rgb(path) if path.suffix != ".pts" else None
    except DanError:
        return None


def _shrunk(picture: ColourImage) -> ColourImage:
    import cv2

    scale = TILE / max(picture.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(picture)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
