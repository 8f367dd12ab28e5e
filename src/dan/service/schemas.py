"""What the service takes and answers, as typed structs; the OpenAPI description is made of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_PASSES, MAX_FACES = 4, 1000

Coordinates = tuple[float, float]
Box = Annotated[tuple[float, float, float, float], Meta(description="x0, y0, x1, y1, pixels")]

Spread = Annotated[tuple[float, float, float], Meta(description="xx, xy, yy, square pixels")]
Visibility = Annotated[float, Meta(description="How likely the point can be seen, 0..1")]

ModelName = Annotated[str, Meta(description="One of GET /v1/models; default: the first.")]
MaxFaces = Annotated[
    int, Meta(ge=1, le=MAX_FACES, description="At most so many faces, best first.")
]


class AlignQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """What may follow the question mark."""

    model: ModelName | UnsetType = UNSET
    max_faces: MaxFaces | UnsetType = UNSET
    min_confidence: Annotated[
        float, Meta(ge=0, le=1, description="Faces of a lower confidence are left out.")
    ] = 0.0
    passes: Annotated[
        int, Meta(ge=1, le=MAX_PASSES, description="2: once more, from the first result.")
    ] = 1
    certainty: Annotated[
        bool,
        Meta(description="With the covariance and visibility of each point; null: unknown."),
    ] = False
    pose: Annotated[bool, Meta(description="With the angles of the head.")] = False


class Pose(Struct, frozen=True):
    """Where a head looks: yaw to the picture's right, pitch up, roll clockwise are positive."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    residual: Annotated[float, Meta(description="Of the fit; 0.06 and more: it does not fit.")]


class FaceRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One face; pixels of the upright picture, counted from 0, whole numbers at pixel centres."""

    box_xyxy: Annotated[Box, Meta(description="Tight around the points.")]
    search_box_xyxy: Annotated[Box, Meta(description="Where the search began.")]
    score: Annotated[float, Meta(description="The detector's, 0..1.")]
    confidence: Annotated[
        float | None, Meta(description="How likely the points are good, 0..1; null: unknown.")
    ]
    points_xy: Annotated[list[Coordinates], Meta(description="Landmarks, as the scheme says.")]
    covariance: list[Spread] | UnsetType | None = UNSET
    visibility: list[Visibility] | UnsetType | None = UNSET
    pose: Pose | UnsetType | None = UNSET


class PictureRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What was found in a picture, as in a line of ``dan align --json``."""

    size_wh: Annotated[
        tuple[int, int], Meta(description="Width and height of the upright picture, pixels.")
    ]
    scheme: Annotated[str, Meta(description="What the points are, such as face68.")]
    faces: Annotated[list[FaceRecord], Meta(description="Highest score first.")]


class BatchPicture(Struct, forbid_unknown_fields=True, frozen=True):
    """One line of a batch."""

    picture: Annotated[bytes, Meta(description="The file's content, base64.")]
    name: Annotated[str, Meta(max_length=200, description="Comes back.")] | None = None


class BatchResult(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of one picture of a batch: either ``error`` and ``code``, or all the others."""

    name: str | None = None
    error: Annotated[str, Meta(description="One line.")] | None = None
    code: str | None = None
    size_wh: tuple[int, int] | None = None
    scheme: str | None = None
    faces: list[FaceRecord] | None = None


class BatchResults(Struct, frozen=True, forbid_unknown_fields=True):
    """In the order of the lines."""

    results: list[BatchResult]


class ModelRecord(Struct, frozen=True):
    """A model that requests may name."""

    name: str
    scheme: str
    n_landmarks: int
    crop_size: Annotated[int, Meta(description="Side of what the network sees, pixels.")]
    has_confidence: bool
    certainty: Annotated[list[str], Meta(description="What it tells besides the points.")]
    sha256: Annotated[str, Meta(description="Of its network.")]


class Models(Struct, frozen=True):
    """The default first."""

    models: list[ModelRecord]


class Health(Struct, frozen=True):
    """Whether the service lives, or takes requests."""

    status: Annotated[str, Meta(description="ok or stopping")]


class Problem(Struct, frozen=True):
    """Why a request was refused."""

    code: Annotated[str, Meta(description="One word, for programs.")]
    message: Annotated[str, Meta(description="One line, for people.")]


class Failure(Struct, frozen=True):
    """Every answer of a status of 400 and above."""

    error: Problem
    request_id: Annotated[str, Meta(description="As in the header X-Request-Id and in the log.")]


def encoded(value: Any) -> bytes:  # noqa: ANN401 - anything that JSON has
    """As JSON."""
    return msgspec.json.encode(value)
