"""What lies over faces: masks, glasses, hair, hands and other things, painted as shaded shapes.

Each is drawn in the *face's own coordinates*: the origin midway between the eyes, x to the eye on
the image's right, y to the chin, one unit the distance of the eyes' centres (about 63 mm), all of
the mean face. The affine map that takes the mean face's landmarks to a face's own places them, so
covers turn, shrink and narrow with the face. By the proportions of adults, the mouth lies at
y = 1.15, the chin at 1.85, the hairline at -1, the crown at -1.9, and the ears at x = ±1.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from dan.model.torch_geometry import estimate_affine, invert
from dan.schemes import LandmarkScheme
from dan.training.dice import Dice
from dan.training.recipe import Augmentation

TEXTURE_CELLS = 14
"""Of a side of the picture, between which the brightness of covers is drawn at random."""

N_NUMBERS = 40
"""Random numbers for the form of one cover, at most."""

N_DRAWS = N_NUMBERS + TEXTURE_CELLS**2


class Covers:
    """Paints covers over faces.

    Args:
        mean_face: (N, 2) landmarks of an upright mean face, in any frame.
        scheme: says where the eyes are; without eyes nothing is covered.
        settings: how often each cover lies over a face.
    """

    def __init__(self, mean_face: Tensor, scheme: LandmarkScheme, settings: Augmentation) -> None:
        self.shares: dict[Painter, float] = {}
        if scheme.eyes is None:
            return
        left, right = (
            mean_face[list(eye)].mean(dim=0) for eye in (scheme.eyes.left, scheme.eyes.right)
        )
        self.mean_face = (mean_face - (left + right) / 2) / (right - left).norm()
        shares = {
            mask: settings.mask,
            glasses: settings.glasses,
            hair: settings.hair,
            hand: settings.hand,
            patch: settings.patch,
        }
        self.shares = {paint: share for paint, share in shares.items() if share}

    def painted(self, levels: Tensor, points: Tensor, dice: Dice) -> tuple[Tensor, Tensor]:
        """Faces with covers over some of them; the others stay as they are.

        Args:
            levels: (B, 1, S, S) of 0..1.
            points: (B, N, 2) landmarks, pixels; NaN where one has no position.
            dice: random numbers of the batch.

        Returns:
            (B, 1, S, S) levels; (B, 1, S, S) how much of the face still shows, 0..1.
        """
        levels, showing = levels.clone(), torch.ones_like(levels)
        for paint, share in self.shares.items():
            places, draws = dice.some(share), dice.uniforms(N_DRAWS)
            face_from_crop = invert(estimate_affine(self.mean_face, points[places]))
            shown = levels[places, 0]
            for opacity, tones in paint(CoveredFaces(shown, face_from_crop, draws[places])):
                shown = torch.lerp(shown, tones, opacity)
                showing[places, 0] *= 1 - opacity
            levels[places, 0] = shown
        return levels, showing


class CoveredFaces:
    """K faces about to be covered: where their pixels lie on them, and random numbers for each.

    Attributes:
        x: (K, S, S), of the pixels, in the face's own coordinates.
        y: likewise.
        pixel: (K, 1, 1), its side.
        skin: (K, 1, 1), mean level of the face.
        texture: (K, S, S), smooth and random, of -1..1.
    """

    def __init__(self, levels: Tensor, face_from_crop: Tensor, draws: Tensor) -> None:
        count, size = levels.shape[:2]
        line = torch.arange(size, dtype=levels.dtype, device=levels.device)
        maps = face_from_crop[..., None, None]  # (K, 2, 3, 1, 1)
        self.x, self.y = (
            row[:, 0] * line + row[:, 2] + row[:, 1] * line[:, None] for row in maps.unbind(1)
        )
        area = maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0]
        self.pixel: Tensor = area.abs().sqrt()
        middle = (self.x.square() + (self.y - 0.5).square() < 0.5).to(levels)
        brightness = (levels * middle).sum(dim=(1, 2)) / middle.sum(dim=(1, 2)).clamp_min(1)
        self.skin = brightness.view(-1, 1, 1)
        cells = draws[:, N_NUMBERS:].view(count, 1, TEXTURE_CELLS, TEXTURE_CELLS)
        cells = functional.interpolate(cells, (size, size), mode="bilinear", align_corners=True)
        self.texture = 2 * cells[:, 0] - 1
        self._numbers = iter(draws[:, :N_NUMBERS, None, None].unbind(1))

    def between(self, low: float, high: float) -> Tensor:
        """(K, 1, 1) random numbers that were not given out before."""
        return low + next(self._numbers) * (high - low)

    def choice(self, probability: float, this: Tensor, other: Tensor) -> Tensor:
        """``this`` with the given probability, else ``other``."""
        return torch.where(self.between(0, 1) < probability, this, other)

    def tone(self) -> Tensor:
        """(K, 1, 1) any level, from black to white in the light that falls on the face."""
        white = (self.skin * 2).clamp(0.4, 1)
        return self.between(0.03, 1) * white

    def within(self, distance: Tensor) -> Tensor:
        """(K, S, S), 1 inside a shape and 0 outside, of the distance to its edge, inside < 0."""
        return (0.5 - distance / self.pixel).clamp(0, 1)

    def shaded(self, tone: Tensor, strength: Tensor | float = 0.15) -> Tensor:
        """(K, S, S) levels of a textured surface under light from one side."""
        angle = self.between(0, 2 * math.pi)
        slope = self.between(0, 0.2) * (self.x * angle.cos() + (self.y - 0.5) * angle.sin())
        return (tone * (1 + slope + strength * self.texture)).clamp(0, 1)


Layers = Iterator[tuple[Tensor, Tensor]]
"""(K, S, S) opacities and (K, S, S) or (K, 1, 1) levels, from the lowest layer to the topmost."""

Painter = Callable[[CoveredFaces], Layers]

Place = tuple[Tensor | float, Tensor | float]
"""x and y in some coordinates of the face's."""


def mask(face: CoveredFaces) -> Layers:
    """A mask over mouth, chin and mostly the nose, of cloth or pleated, with its strings."""
    top, bottom = face.between(0.3, 0.9), face.between(1.85, 2.2)
    width, nose = face.between(0.95, 1.2), face.between(0, 0.3)
    half, middle = (bottom - top) / 2, (bottom + top) / 2
    x, y = face.x.abs(), face.y
    bump = nose * (-(x / 0.35).square()).exp() * (y < middle)  # highest over the nose
    risen = y + bump - 0.15 * x * x
    depth = (risen - middle) / half
    narrowed = x / (width * (1 - face.between(0.05, 0.2) * (1 + depth).clamp(0, 2)))
    outline = (narrowed.square().square() + depth.square().square()).sqrt().sqrt() - 1
    pale = face.between(0.7, 1) * (face.skin * 2).clamp(0.5, 1)
    tone = face.choice(0.5, pale, face.tone())
    pleats = face.between(-0.06, 0.06) * (y * face.between(8, 20)).sin()
    cloth = face.shaded(tone, face.between(0.02, 0.12)) * (1 + pleats - 0.25 * x * x)
    thin = face.between(0.015, 0.035)
    upper = _to_segment((x, y), (width * 0.9, top + 0.2), (1.25, 0.1))
    lower = _to_segment((x, y), (width * 0.8, bottom - 0.4), (1.25, 0.45))
    yield face.within(torch.minimum(upper, lower) - thin), tone
    yield face.within(outline * half), cloth.clamp(0, 1)


def glasses(face: CoveredFaces) -> Layers:
    """Frames, thin or thick, with dark or clear lenses and now and then a reflection."""
    wide, drop = face.between(0.32, 0.46), face.between(-0.02, 0.12)
    high, apart = wide * face.between(0.6, 1), face.between(0.5, 0.54)
    x, y = face.x.abs() - apart, face.y - drop
    corner = high * face.between(0.3, 1)  # its radius
    over_x, over_y = x.abs() - (wide - corner), y.abs() - (high - corner)
    rounded = (over_x.clamp_min(0).square() + over_y.clamp_min(0).square()).sqrt()
    outline = rounded + torch.maximum(over_x, over_y).clamp_max(0) - corner
    lens = face.within(outline)
    opacity = face.choice(0.5, face.between(0.7, 1), face.between(0, 0.2))
    fading = 1 - face.between(0, 0.5) * (y / high + 1) / 2  # lenses are often clearer below
    yield lens * (opacity * fading).clamp(0, 1), face.tone() * 0.25
    angle, place = face.between(0, math.pi), face.between(-0.3, 0.3)
    stripe = (x * angle.cos() + y * angle.sin() - place).abs() - face.between(0.02, 0.2)
    glare = face.choice(0.35, face.between(0.2, 0.9), torch.zeros_like(place))
    yield lens * face.within(stripe) * glare, face.between(0.6, 1)
    thick = face.between(0.02, 0.08)
    at = x + apart, y
    bridge = _to_segment(at, (0, -0.08), (apart - wide, -0.1))
    arm = _to_segment(at, (apart + wide, -0.1), (1.25, -0.15))
    frame = torch.minimum(outline.abs(), torch.minimum(bridge, arm)) - thick
    yield face.within(frame), face.shaded(face.tone() * face.between(0.2, 1))


def hair(face: CoveredFaces) -> Layers:
    """Strands from the crown over the forehead, down to eyes or cheeks, and at the sides."""
    x, y = face.x, face.y
    strand = x + face.between(-0.35, 0.35) * y + face.between(-0.12, 0.12) * y * y

    def waves(frequency: float) -> Tensor:
        """(K, S, S) of -1..1, alike along each strand; the golden ratio lets none repeat."""
        one = (strand * frequency + face.between(0, 2 * math.pi)).sin()
        return (one + (strand * (1.618 * frequency) + face.between(0, 2 * math.pi)).sin()) / 2

    coarse, fine, finest = waves(4), waves(22), waves(45)
    aside = (x.abs() - face.between(0.75, 1.1)).clamp_min(0) * face.between(0, 8)
    tips = face.between(-0.9, 0.5) + aside + face.between(-0.5, 0.5) * x
    tips = (tips + 0.5 * coarse + face.between(0.1, 0.4) * fine).clamp_max(2.5)
    dense = ((tips - y) / face.between(0.1, 0.5)).clamp(0, 1)
    thinned = (dense * 1.5 + 0.5 * finest - 0.25).clamp(0, 1) * dense.sign()
    above = y.clamp_max(0) / face.between(1.8, 2.1)
    head = (x / face.between(1.2, 1.45)).square() + above.square() - 1
    tone = face.tone() * face.between(0.1, 1)
    sheen = 1 + face.between(0.1, 0.5) * fine + face.between(0, 0.3) * finest
    yield face.within(head) * thinned, (face.shaded(tone, 0.3) * sheen).clamp(0, 1)


def hand(face: CoveredFaces) -> Layers:
    """A hand with its forearm, from outside; its fingers lie on the face."""
    around, reach = face.between(0, 2 * math.pi), face.between(0.4, 1.3)
    turn, size = around + face.between(-0.7, 0.7) - math.pi / 2, face.between(0.8, 1.15)
    cos, sin = turn.cos() / size, turn.sin() / size
    x, y = face.x - reach * around.cos(), face.y - 0.5 - reach * around.sin()
    x, y = x * cos + y * sin, y * cos - x * sin  # from the knuckles, y to the wrist
    at = x * face.choice(0.5, torch.ones_like(size), -torch.ones_like(size)), y
    limbs: list[tuple[Place, Place, float]] = [  # from, to, radius: forearm, palm, thumb, fingers
        ((0, 1.4), (0, 9), 0.48),
        ((-0.12, 0.45), (0.12, 0.95), 0.6),
        ((-0.45, 0.9), (face.between(-1.2, -0.6), face.between(-0.1, 0.3)), 0.16),
    ]
    fan, apart = face.between(0, 0.3), face.between(0.26, 0.32)
    for place, long in zip((-1.5, -0.5, 0.5, 1.5), (1.0, 1.2, 1.1, 0.85), strict=True):
        length, angle = face.between(0.6 * long, 1.05 * long), place * fan
        tip = place * apart + length * angle.sin(), -length * angle.cos()
        limbs.append(((place * apart, 0.3), tip, 0.145))
    distances = [(_to_segment(at, start, end), radius) for start, end, radius in limbs]
    outline = reduce(torch.minimum, [distance - radius for distance, radius in distances])
    inner = reduce(torch.minimum, [distance / radius for distance, radius in distances])
    roundness = (1 - inner.square()).clamp_min(0).sqrt()  # a limb's height over its edge
    tone = face.choice(0.85, face.skin * face.between(0.8, 1.25), face.tone())
    surface = face.shaded(tone, face.between(0.02, 0.15))
    yield face.within(outline * size), (surface * (0.65 + 0.45 * roundness)).clamp(0, 1)


def patch(face: CoveredFaces) -> Layers:
    """Anything else: a rectangle or an ellipse, turned, plain or textured, over any of the face."""
    middle_x, middle_y = face.between(-1.1, 1.1), face.between(-0.6, 1.9)
    long, wide = face.between(0.25, 1), face.between(0.25, 1)  # half of each
    angle = face.between(0, math.pi)
    x, y = face.x - middle_x, face.y - middle_y
    x, y = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    box = torch.maximum(x.abs() - long, y.abs() - wide)
    radius = ((x / long).square() + (y / wide).square()).sqrt()
    oval = (radius - 1) * torch.minimum(long, wide)
    yield (
        face.within(face.choice(0.5, box, oval)),
        face.shaded(face.tone(), face.between(0, 0.7)),
    )


def _to_segment(at: tuple[Tensor, Tensor], start: Place, end: Place) -> Tensor:
    """(K, S, S) distances of places, x and y, to a straight line between two places."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    x, y = at[0] - start[0], at[1] - start[1]
    length = along_x * along_x + along_y * along_y
    share = ((x * along_x + y * along_y) / length).clamp(0, 1)
    return ((x - share * along_x).square() + (y - share * along_y).square()).sqrt()
