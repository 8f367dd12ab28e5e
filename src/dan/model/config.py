"""What a network is made of: one frozen struct, and the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from dan.core.errors import ConfigError
from dan.core.structs import build_struct
from dan.model.torch_geometry import Border

HeatMapKernel = Literal["inverse_distance", "gaussians"]
Trunk = Literal["paper", "strided"]
Variant = Literal["theano", "tensorflow"]
BorderChoice = Literal["auto", Border]


class DANConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes and kinds of a :class:`dan.model.DAN`.

    Attributes:
        n_landmarks: points a face.
        image_size: side of the square crop, pixels, a multiple of 16 (four poolings).
        n_stages: stages of the cascade, at least 1.
        width: channels of the first block; the next ones have 2, 4 and 8 times as many.
        hidden: units of the dense layer from which offsets and feature image come.
        dropout: probability before that layer.
        trunk: ``paper``, four blocks each ended by a pooling, or ``strided``: the first convolution
            is 5x5 and takes every second pixel, and the last block is not pooled. Every block then
            works at half the paper's resolution: a quarter of the multiplications at equal width.
        refinement: units a point of the head that corrects the last stage's points by what its maps
            show around them; 0: no such head. See :mod:`dan.model.refinement`.
        confidence: whether a head on the last hidden layer tells how likely the result is good.
        covariance: whether a head tells how far off each point may be; needs the refinement.
        visibility: whether a head tells how likely each point can be seen; likewise.
        heat_map: ``inverse_distance``, the paper's 1/(1 + d), or ``gaussians``, a sum of separable
            Gaussians, several times cheaper.
        variant: ``theano``, the authors' network (convolution, batch norm, ReLU; nearest
            up-scaling; heat map cut off 8 pixels from each point), or ``tensorflow``, its port
            (convolution with bias, ReLU, batch norm; bilinear up-scaling as in TensorFlow 1; uncut
            heat map), for imported weights.
        border: what warps show beyond the crop, as :data:`dan.model.torch_geometry.Border` says.
            ``auto``: repeated edges, and zeros in the variant ``tensorflow``. ``inner_edge`` is for
            weights of the authors' code, which clamps positions to S - 2.
    """

    n_landmarks: int = 68
    image_size: int = 112
    n_stages: int = 2
    width: int = 64
    hidden: int = 256
    dropout: float = 0.5
    trunk: Trunk = "paper"
    refinement: int = 0
    confidence: bool = False
    covariance: Annotated[bool, Meta(extra={"fingerprint": "unless default"})] = False
    visibility: Annotated[bool, Meta(extra={"fingerprint": "unless default"})] = False
    heat_map: HeatMapKernel = "inverse_distance"
    variant: Variant = "theano"
    border: Annotated[BorderChoice, Meta(extra={"fingerprint": "unless default"})] = "auto"

    def __post_init__(self) -> None:
        for name in ("n_landmarks", "image_size", "n_stages", "width", "hidden"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}: expected a whole number of at least 1, got {value!r}")
        if self.n_landmarks < 2:
            raise ConfigError("n_landmarks: expected at least 2, got 1")
        if self.image_size % 16 or self.image_size < 32:
            raise ConfigError(
                f"image_size: expected a multiple of 16, at least 32, got {self.image_size}"
            )
        if self.refinement < 0:
            raise ConfigError(f"refinement: expected 0 or more units, got {self.refinement}")
        if (self.covariance or self.visibility) and not self.refinement:
            raise ConfigError("covariance, visibility: expected a model with a refinement")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout: expected 0 <= p < 1, got {self.dropout}")
        for name, allowed in (
            ("trunk", Trunk),
            ("heat_map", HeatMapKernel),
            ("variant", Variant),
            ("border", BorderChoice),
        ):
            value = getattr(self, name)
            if value not in get_args(allowed):
                raise ConfigError(
                    f"{name}: expected one of {', '.join(get_args(allowed))}, got {value!r}"
                )

    @property
    def warp_border(self) -> Border:
        """What warps show beyond the crop."""
        if self.border != "auto":
            return self.border
        return "zero" if self.variant == "tensorflow" else "edge"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return msgspec.structs.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DANConfig:
        """The configuration that :meth:`to_dict` described.

        Raises:
            ConfigError: naming the setting that is unknown, of the wrong type or out of range.
        """
        return build_struct(cls, values)


def paper(n_landmarks: int = 68, n_stages: int = 2) -> DANConfig:
    """The network of the paper: width 64 and the 1/(1 + d) heat map."""
    return DANConfig(n_landmarks=n_landmarks, n_stages=n_stages)
