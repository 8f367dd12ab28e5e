"""Batched plane geometry in torch, the twin of :mod:`dan.geometry`; always in full precision.

Convention: transforms are (B, 2, 3) matrices named by their frames, ``crop_from_image``; integer
coordinates are pixel centres. Mixed precision is switched off inside, because a bfloat16 coordinate
has no sub-pixel digits left at 112.
"""

from collections.abc import Callable
from functools import wraps
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Border = Literal["edge", "zero"]


def in_full_precision(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run a function outside autocast, its half-precision tensors widened to float32."""

    @wraps(function)
    def run(*args: object, **kwargs: object) -> Tensor:
        tensors = [value for value in args if isinstance(value, Tensor)]
        with torch.autocast(tensors[0].device.type, enabled=False):
            return function(*map(_widened, args), **kwargs)

    return run


def _widened(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value


@in_full_precision
def estimate_similarity(src: Tensor, dst: Tensor) -> Tensor:
    """Least-squares similarities without reflection, ``dst_from_src``.

    Args:
        src: (B, N, 2) points. If all points of a row coincide, the scale is zero.
        dst: (N, 2) or (B, N, 2) points.

    Returns:
        (B, 2, 3) matrices ``[[a, -b, tx], [b, a, ty]]``; the formula stands at
        :func:`dan.geometry.estimate_similarity`.
    """
    dst = dst.expand_as(src)
    src_centre, dst_centre = src.mean(dim=1), dst.mean(dim=1)  # (B, 2)
    x, y = (src - src_centre[:, None]).unbind(-1)  # (B, N) each
    u, v = (dst - dst_centre[:, None]).unbind(-1)
    spread = (x * x + y * y).sum(dim=1).clamp_min(1e-12)
    a = (x * u + y * v).sum(dim=1) / spread  # (B,)
    b = (x * v - y * u).sum(dim=1) / spread
    cx, cy = src_centre.unbind(-1)
    tx = dst_centre[:, 0] - (a * cx - b * cy)
    ty = dst_centre[:, 1] - (b * cx + a * cy)
    return torch.stack([a, -b, tx, b, a, ty], dim=1).view(-1, 2, 3)


@in_full_precision
def move_points(points: Tensor, transform: Tensor) -> Tensor:
    """(B, N, 2) points moved by (B, 2, 3) transforms."""
    x, y = points.unbind(-1)
    rows = transform[:, :, None, :]  # (B, 2, 1, 3)
    moved = rows[..., 0] * x[:, None] + rows[..., 1] * y[:, None] + rows[..., 2]  # (B, 2, N)
    return moved.transpose(1, 2)


@in_full_precision
def invert(transform: Tensor) -> Tensor:
    """``a_from_b`` -> ``b_from_a``, (B, 2, 3) affine; a singular one gives infinite values."""
    a, b, tx, c, d, ty = transform.reshape(-1, 6).unbind(1)
    determinant = a * d - b * c
    ia, ib, ic, id_ = d / determinant, -b / determinant, -c / determinant, a / determinant
    rows = [ia, ib, -(ia * tx + ib * ty), ic, id_, -(ic * tx + id_ * ty)]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


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
        border: ``edge`` repeats the outermost pixels, ``zero`` fills with zero.

    Returns:
        (B, C, out_size, out_size).
    """
    height, width = images.shape[-2:]
    line = torch.arange(out_size, dtype=images.dtype, device=images.device)
    a, b, tx, c, d, ty = (value[:, None, None] for value in image_from_out.reshape(-1, 6).unbind(1))
    x = a * line[None, None, :] + (b * line[None, :, None] + tx)  # (B, out, out)
    y = c * line[None, None, :] + (d * line[None, :, None] + ty)
    grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)
    return functional.grid_sample(
        images, grid, padding_mode="border" if border == "edge" else "zeros", align_corners=True
    )
