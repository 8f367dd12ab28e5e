"""Batched plane geometry in torch, the twin of :mod:`dan.geometry`; always in full precision.

Convention: transforms are (B, 2, 3) matrices named by their frames, ``crop_from_image``; integer
coordinates are pixel centres. Mixed precision is switched off inside, because a bfloat16 coordinate
has no sub-pixel digits left at 112.
"""

import math
from collections.abc import Callable
from functools import cache, wraps
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

T = TypeVar("T")

Border = Literal["edge", "inner_edge", "zero"]
"""Beyond an image ``edge`` repeats its outermost pixels, ``zero`` fills with zero. ``inner_edge``
ends it one pixel earlier: the last row and the last column are never seen."""

_COFACTORS = ((0, 0, 0, 1), (0, 0, -1, 0), (0, -1, 0, 0), (1, 0, 0, 0))
"""From a matrix as a row (p, q, r, s) to the transpose of its inverse times the determinant: one
small product in an exported graph costs less than a dozen operations on single numbers."""

Numbers = tuple[float, ...] | tuple[tuple[float, ...], ...]


def constant(numbers: Numbers, like: Tensor) -> Tensor:
    """Numbers as a tensor of the type and on the device of another.

    They are brought to an accelerator only once, because the processor waits for such copies, and
    because a CUDA graph cannot hold them. The tensor must not be changed.
    """
    if like.device.type == "cpu":
        return torch.tensor(numbers, dtype=like.dtype)
    return _brought(numbers, like.dtype, like.device)


@cache
def _brought(numbers: Numbers, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=dtype, device=device)


def in_full_precision(function: Callable[..., T]) -> Callable[..., T]:
    """Run a function outside autocast, its half-precision tensors widened to float32."""

    @wraps(function)
    def run(*args: object, **kwargs: object) -> T:
        tensors = [value for value in args if isinstance(value, Tensor)]
        with torch.autocast(tensors[0].device.type, enabled=False):
            return function(*map(_widened, args), **kwargs)

    return run


def _widened(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value


class Straightened(NamedTuple):
    """Points that were brought onto others.

    Attributes:
        points: (B, N, 2), in the frame of the others.
        src_from_dst: (B, 2, 3) similarities that take them back.
    """

    points: Tensor
    src_from_dst: Tensor


@in_full_precision
def straighten(src: Tensor, dst: Tensor) -> Straightened:
    """Bring points onto others by the least-squares similarities without reflection.

    The formula stands at :func:`dan.geometry.estimate_similarity`. Few and plain operations: in an
    exported graph each costs microseconds, whatever it computes.

    Args:
        src: (B, N, 2) points. If all points of a row coincide, they come to the middle of the
            others, and the way back is infinite.
        dst: (N, 2) points.
    """
    # ONNX Runtime adds up a lone row, a row that starts off its vectors, or along another axis than
    # the last in an order of its own. So that points do not depend on the batch, sums go along the
    # last axis, of several rows a face, in fours.
    dst_centre, axes = dst.mean(dim=0), torch.eye(2, dtype=dst.dtype, device=dst.device)
    means = _in_fours(axes.repeat(1, len(dst)) / len(dst))  # of x and of y
    src_centre = (_in_fours(src.flatten(1))[:, None] * means).sum(dim=2)  # (B, 2)
    around, target = src - src_centre[:, None], dst - dst_centre
    flat = _in_fours(around.flatten(1))  # x, y, x, y, ...
    halves = flat.square().view(-1, 2, flat.shape[1] // 2).sum(dim=2)  # (B, 2)
    spread = halves.sum(dim=1, keepdim=True).clamp_min(1e-12)
    # With target points (u, v): a sums up x·u + y·v, b sums up x·v - y·u.
    a = target.flatten()
    b = torch.stack([target[:, 1], -target[:, 0]], dim=1).flatten()
    sums = (flat[:, None] * _in_fours(torch.stack([a, b, -b, a]))).sum(dim=2)  # (B, 4)
    transposed = (sums / spread).view(-1, 2, 2)  # of the linear part: a, b; -b, a
    inverse = transposed / transposed[:, :1].square().sum(dim=2, keepdim=True)
    shift = src_centre[:, :, None] - (inverse * dst_centre).sum(dim=2, keepdim=True)
    return Straightened(around @ transposed + dst_centre, torch.cat([inverse, shift], dim=2))


def _in_fours(rows: Tensor) -> Tensor:
    """(K, L) with zeros behind, so that halves of the rows have whole fours."""
    missing = -rows.shape[1] % 8
    return functional.pad(rows, [0, missing]) if missing else rows


@in_full_precision
def estimate_affine(src: Tensor, dst: Tensor) -> Tensor:
    """Least-squares affine maps, ``dst_from_src``.

    Args:
        src: (N, 2) points.
        dst: (B, N, 2) points. Those that are NaN do not count; of the others, three at least must
            not lie on a line in ``src``.

    Returns:
        (B, 2, 3) matrices.
    """
    known = ~dst.isnan()  # (B, N, 2)
    counts = known.sum(dim=1, keepdim=True)
    src, dst = torch.where(known, src, 0), torch.where(known, dst, 0)
    src_centre, dst_centre = (points.sum(dim=1, keepdim=True) / counts for points in (src, dst))
    around = torch.where(known, src - src_centre, 0)
    spread = functional.pad(around.transpose(1, 2) @ around, [0, 1])  # (B, 2, 3), no shift
    linear = dst.transpose(1, 2) @ around @ invert(spread)[:, :, :2]
    shift = dst_centre.transpose(1, 2) - linear @ src_centre.transpose(1, 2)
    return torch.cat([linear, shift], dim=2)


@in_full_precision
def move_points(points: Tensor, transform: Tensor) -> Tensor:
    """(B, N, 2) points moved by (B, 2, 3) transforms."""
    columns = transform.transpose(1, 2)  # (B, 3, 2)
    return points @ columns[:, :2] + columns[:, 2:]


@in_full_precision
def invert(transform: Tensor) -> Tensor:
    """``a_from_b`` -> ``b_from_a``, (B, 2, 3) affine; a singular one gives infinite values."""
    linear = transform[:, :, :2]
    cofactors = (linear.reshape(-1, 4) @ constant(_COFACTORS, linear)).view(-1, 2, 2)
    twice_determinant = (linear * cofactors).sum(dim=(1, 2), keepdim=True)
    inverse = cofactors.transpose(1, 2) / (twice_determinant / 2)
    return torch.cat([inverse, -inverse @ transform[:, :, 2:]], dim=2)


@in_full_precision
def compose(a_from_b: Tensor, b_from_c: Tensor) -> Tensor:
    """``a_from_c``, all (B, 2, 3)."""
    linear = a_from_b[:, :, :2]
    product = linear @ b_from_c  # (B, 2, 3)
    return torch.cat([product[..., :2], product[..., 2:] + a_from_b[..., 2:]], dim=2)


@in_full_precision
def warp(images: Tensor, image_from_out: Tensor, out_size: int, border: Border = "edge") -> Tensor:
    """Sample images at transformed positions, bilinear.

    ``align_corners=True`` below means that -1 and 1 are the *centres* of the first and the last
    pixel, so ``n = 2·x / (W - 1) - 1`` for the pixel coordinate ``x``.

    Args:
        images: (B, C, H, W).
        image_from_out: (B, 2, 3), takes output pixels to image pixels.
        out_size: side of the square output.
        border: what is seen beyond the images.

    Returns:
        (B, C, out_size, out_size).
    """
    if border == "inner_edge":
        images = images[..., :-1, :-1]
    height, width = images.shape[-2:]
    line = torch.arange(out_size, dtype=images.dtype, device=images.device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)]).view(3, -1)  # (3, out²)
    scale = constant(((2 / (width - 1),), (2 / (height - 1),)), images)
    offset = constant(((0.0, 0.0, -1.0), (0.0, 0.0, -1.0)), images)
    rows = (image_from_out * scale + offset).view(-1, 3)  # (2B, 3): one product for all images
    grid = (rows @ pixels).view(-1, 2, out_size**2).transpose(1, 2)  # (B, out², 2), -1..1
    return _grid_sample(images, grid, out_size, border)


@in_full_precision
def sample(images: Tensor, positions: Tensor) -> Tensor:
    """Sample images anywhere, bilinear; beyond the edges the outermost pixels repeat.

    Args:
        images: (B, C, H, W).
        positions: (B, S·S, 2), pixels, row after row of the output.

    Returns:
        (B, C, S, S).
    """
    height, width = images.shape[-2:]
    scale = constant((2 / (width - 1), 2 / (height - 1)), images)
    return _grid_sample(images, positions * scale - 1, math.isqrt(positions.shape[1]), "edge")


def _grid_sample(images: Tensor, grid: Tensor, out_size: int, border: Border) -> Tensor:
    return functional.grid_sample(
        images,
        grid.view(-1, out_size, out_size, 2),
        padding_mode="zeros" if border == "zero" else "border",
        align_corners=True,
    )
