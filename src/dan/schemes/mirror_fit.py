"""Flip partners found from annotated faces alone: which points change places in a mirror.

The faces of a set are not symmetric, but most sets show as many turned to one side as to the
other, so that their mean is nearly so. Where they do not, the first principal modes of the set
(turning the head is one of them) say how its faces change, and so which face among them is
symmetric. The fit looks for three things in turn, each given the others: that face, its axis, and
the partners.

1. Generalised Procrustes mean and the first modes of variation about it.
2. For steps along each mode and all directions of an axis through the centroid: the mean distance
   of the reflected points to the nearest point. The best few are starts.
3. From each start, until nothing changes: partners by rising distance, each point once; the axis by
   least squares (Procrustes with a reflection); the amounts of the modes by least squares.

Points are complex numbers here, ``z = x + iy``: rotation and scale is a product, and ``u·conj(z)``
reflects about the axis of direction ``sqrt(u)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import DataError
from dan.core.types import FloatArray, IntArray
from dan.schemes.scheme import LandmarkScheme

MIN_FACES = 5
MAX_FACES = 1000
"""More faces than this say nothing new; they are thinned evenly."""
RESAMPLES = 10
SURE_SUPPORT = 0.9
WIDE_RESIDUAL = 0.05
"""A fit whose root mean square residual is above this share of the face's size is no mirror."""

_N_MODES = 2
_FEW_POINTS = 10  # fewer have one mode: with two, five points nearly fit an axis across the face
_AMOUNTS = np.linspace(-2, 2, 9)  # standard deviations
_MAX_AMOUNT = 3.0
_ANGLES = np.linspace(0, np.pi, 36, endpoint=False)
_STARTS = 3
_ROUNDS = 30
_SEARCHED_POINTS = 64

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class MirrorFit:
    """Flip partners and how certain they are.

    Lengths are shares of the larger side of ``shape``'s box.

    Attributes:
        mirror: (N,) int64; place ``i`` is taken by landmark ``mirror[i]`` in a flip.
        shape: (N, 2) float64, the most symmetric face of the set, its axis upright at x = 0, the
            middle of its height at y = 0, larger side 1.
        residuals: (N,) distance of a point to its partner's reflection.
        margins: (N,) how much farther off the next best partner is; below 0 where that one is
            nearer but was taken by another point.
        support: (N,) share of the resampled sets in which the point had the same partner.
        n_faces: how many faces were used.
    """

    mirror: npt.NDArray[np.int64]
    shape: FloatArray
    residuals: FloatArray
    margins: FloatArray
    support: FloatArray
    n_faces: int

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """(N,) points whose partner resamples do not agree on, or is not clearly the nearest."""
        doubtful: npt.NDArray[np.bool_] = (self.support < SURE_SUPPORT) | (
            self.margins < self.residuals
        )
        return doubtful

    @property
    def rms_residual(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.mean(self.residuals**2)))

    @property
    def is_weak(self) -> bool:
        """Whether the faces show no mirror at all, so that no point is to be trusted.

        So it is when they all look to the same side.
        """
        return self.rms_residual > WIDE_RESIDUAL or bool(np.mean(self.doubtful) > 0.25)

    def differs_from(self, scheme: LandmarkScheme) -> int:
        """Points that have another partner in a scheme; 0 where it has none."""
        return 0 if scheme.mirror is None else int(np.sum(scheme.mirror != self.mirror))

    def scheme(self, base: LandmarkScheme | None = None, name: str | None = None) -> LandmarkScheme:
        """A scheme of these flip partners.

        Args:
            base: whose names, groups and eyes it has; None: points by number.
            name: its name; None: that of the base.
        """
        base = base or LandmarkScheme.plain(len(self.mirror))
        names = base.point_names
        partners = {names[one]: names[other] for one, other in enumerate(self.mirror.tolist())}
        return replace(base, name=name or base.name, flip_partner=partners)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "mirror": self.mirror.tolist(),
            "residuals": self.residuals.round(5).tolist(),
            "margins": self.margins.round(5).tolist(),
            "support": self.support.tolist(),
            "doubtful": self.doubtful.tolist(),
            "rms_residual": round(self.rms_residual, 5),
            "is_weak": self.is_weak,
            "n_faces": self.n_faces,
        }


def fit_mirror(shapes: FloatArray, *, seed: int = 0) -> MirrorFit:
    """Find the flip partners of a scheme from faces annotated in it.

    Args:
        shapes: (F, N, 2) landmarks, any frame each, N >= 2; faces with NaN are left out.
        seed: of the resampling; the partners do not depend on it.

    Raises:
        ShapeError: if the shape is another.
        DataError: if fewer than :data:`MIN_FACES` faces know all their points.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    check_shape("shapes", shapes, ("F", "N", 2))
    shapes = shapes[np.isfinite(shapes).all(axis=(1, 2))]
    spans = np.ptp(shapes, axis=1).max(axis=1) if shapes.size else np.zeros(0)
    shapes = shapes[spans > 0]
    n_faces, n_points = shapes.shape[:2]
    if n_faces < MIN_FACES or n_points < 2:
        raise DataError(
            f"expected at least {MIN_FACES} faces with all of at least 2 points known, "
            f"got {n_faces} of {n_points} points"
        )
    used = shapes[np.linspace(0, n_faces - 1, min(n_faces, MAX_FACES)).round().astype(int)]
    faces: Complex = used[..., 0] + 1j * used[..., 1]
    mirror, face, reflected = _fit(faces)
    rng = np.random.default_rng(seed)
    again = [_fit(faces[rng.integers(len(faces), size=len(faces))])[0] for _ in range(RESAMPLES)]
    size, upright = _upright(face, reflected, mirror)
    distances = _distances(face, reflected) / size
    points = np.arange(n_points)
    residuals = distances[points, mirror]
    others = distances.copy()
    others[points, mirror] = np.inf
    return MirrorFit(
        mirror=mirror,
        shape=upright,
        residuals=residuals,
        margins=others.min(axis=1) - residuals,
        support=np.mean(np.stack(again) == mirror, axis=0),
        n_faces=len(used),
    )


def _fit(faces: Complex) -> tuple[npt.NDArray[np.int64], Complex, Complex]:
    """Partners, the most symmetric face, and its reflection, (N,) each."""
    mean, modes = _mean_and_modes(faces)
    fits = [_refined(mean, modes, amounts, turn) for amounts, turn in _starts(mean, modes)]
    return min(fits, key=lambda fit: float(_squares(fit[1] - fit[2][fit[0]])))


def _mean_and_modes(faces: Complex) -> tuple[Complex, Complex]:
    """(N,) Procrustes mean of norm 1, and (K, N) modes, a standard deviation each."""
    centred = faces - faces.mean(axis=1, keepdims=True)
    centred = centred / np.sqrt(np.sum(np.abs(centred) ** 2, axis=1, keepdims=True))
    mean = centred.mean(axis=0)
    for _ in range(10):
        mean = mean / np.sqrt(_squares(mean))
        aligned = centred * (centred.conj() @ mean)[:, None]
        mean = aligned.mean(axis=0)
    mean = mean / np.sqrt(_squares(mean))
    rest = aligned - aligned.mean(axis=0)
    _, spread, axes = np.linalg.svd(np.hstack([rest.real, rest.imag]), full_matrices=False)
    n_modes = 1 if len(mean) < _FEW_POINTS else _N_MODES
    real, imaginary = np.hsplit(axes[:n_modes], 2)
    modes: Complex = (real + 1j * imaginary) * (spread[:n_modes, None] / np.sqrt(len(faces)))
    return mean, modes


def _starts(mean: Complex, modes: Complex) -> list[tuple[FloatArray, complex]]:
    """The most promising amounts of the modes, with the ``u`` of the axis of each."""
    some = slice(None, None, -(-len(mean) // _SEARCHED_POINTS))
    turns = np.exp(2j * _ANGLES)
    found: list[tuple[float, FloatArray, complex]] = []
    for mode in range(len(modes)):
        for amount in _AMOUNTS:
            amounts = np.zeros(len(modes))
            amounts[mode] = amount
            face = mean + amounts @ modes
            reflected = turns[:, None] * face.conj()[some]  # (angles, points)
            across = (face[:, None, None].conj() * reflected).real  # |a - b|² in three parts
            lengths = np.abs(face) ** 2
            nearest = (lengths[:, None, None] - 2 * across).min(axis=0) + lengths[some]
            misfits = nearest.mean(axis=1)
            best = int(np.argmin(misfits))
            # A face far from the mean has to be clearly more symmetric.
            found.append((misfits[best] * (1 + 0.05 * abs(amount)), amounts, complex(turns[best])))
    found.sort(key=lambda entry: entry[0])
    return [(amounts, turn) for _, amounts, turn in found[:_STARTS]]


def _refined(
    mean: Complex, modes: Complex, amounts: FloatArray, turn: complex
) -> tuple[npt.NDArray[np.int64], Complex, Complex]:
    """Partners, face and reflection from one start, improved in turns until nothing changes."""
    face = mean + amounts @ modes
    reflected = turn * face.conj()
    mirror = _partners(_distances(face, reflected))
    for _ in range(_ROUNDS):
        for _ in range(3):
            opposite = _centred(face[mirror].conj())
            product = np.sum(opposite.conj() * _centred(face))
            turn = complex(product / abs(product)) if abs(product) else turn
            amounts = _amounts(mean, modes, mirror, turn)
            face = mean + amounts @ modes
        opposite = turn * face.conj()
        reflected = opposite + np.mean(face - opposite[mirror])
        before, mirror = mirror, _partners(_distances(face, reflected))
        if np.array_equal(before, mirror):
            break
    return mirror, face, reflected


def _amounts(mean: Complex, modes: Complex, mirror: IntArray, turn: complex) -> FloatArray:
    """(K,) amounts of the modes that bring the face nearest to its reflection."""
    misfit = _centred(mean - turn * mean[mirror].conj())
    change = np.stack([_centred(mode - turn * mode[mirror].conj()) for mode in modes])
    matrix = np.concatenate([change.real, change.imag], axis=1).T
    wanted = -np.concatenate([misfit.real, misfit.imag])
    amounts: FloatArray = np.linalg.lstsq(matrix, wanted, rcond=1e-6)[0]
    return np.clip(amounts, -_MAX_AMOUNT, _MAX_AMOUNT)


def _partners(distances: FloatArray) -> npt.NDArray[np.int64]:
    """(N,) partners by rising distance, each point once; a point may be its own.

    Points that are each other's nearest among the free ones pair up, until none is free. As the
    distances are symmetric, that is what taking all pairs in the order of distance leads to.
    """
    open_distances = distances.copy()
    mirror = np.full(len(distances), -1)
    while (mirror < 0).any():
        free = np.flatnonzero(mirror < 0)
        nearest = open_distances[free].argmin(axis=1)  # the lowest index among equals
        best = np.full(len(distances), -1)
        best[free] = nearest
        mutual = free[best[nearest] == free]
        if not len(mutual):  # a ring of equal distances
            mutual = free[:1]
            best[nearest[0]], mutual = mutual[0], np.array([mutual[0], nearest[0]])
        mirror[mutual] = best[mutual]
        open_distances[mutual], open_distances[:, mutual] = np.inf, np.inf
    return mirror


def _distances(face: Complex, reflected: Complex) -> FloatArray:
    """(N, N) distance of point i to the reflection of point j; symmetric."""
    distances = np.abs(face[:, None] - reflected[None, :])
    return (distances + distances.T) / 2


def _upright(
    face: Complex, reflected: Complex, mirror: npt.NDArray[np.int64]
) -> tuple[float, FloatArray]:
    """The size of the face, and the face with its axis upright at x = 0, of size 1.

    Of the two ways to stand it up, that which turns it less.
    """
    opposite = _centred(face[mirror].conj())
    turn = np.sum(opposite.conj() * _centred(face))
    axis = np.sqrt(turn / abs(turn))  # direction of the axis, or of its other end
    if axis.imag < 0:
        axis = -axis
    stood = face * (1j / axis)
    middle = np.mean(stood.real + (reflected * (1j / axis)).real) / 2
    points = np.stack([stood.real - middle, stood.imag], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    size = float((high - low).max())
    points[:, 1] -= (low[1] + high[1]) / 2
    return size, points / size


def _centred(values: Complex) -> Complex:
    centred: Complex = values - values.mean()
    return centred


def _squares(values: Complex) -> float:
    return float(np.sum(np.abs(values) ** 2))
