"""A bundle: everything that finds landmarks in crops, in one file.

A ``.danbundle`` is a zip of two files: ``model.onnx``, the whole cascade (crops in, points and
confidence out), and ``bundle.json``, what a user of the graph must know. Nothing in it is code, and
nothing in it is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import BundleError, DanError
from dan.core.files import is_file, read_bytes, write_bytes
from dan.core.types import FilePath, Points
from dan.geometry import box_of_points
from dan.schemes import LandmarkScheme

FORMAT_VERSION = 1
SUFFIX = ".danbundle"
GRAPH, METADATA = "model.onnx", "bundle.json"

MAX_BYTES = 512 * 2**20
"""Of the unpacked graph: ten times the paper's network in fp32. A small zip may claim any size."""

MAX_METADATA_BYTES = 4 * 2**20
MAX_CROP_SIZE = 1024

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same bundle gives the same bytes


@dataclass(frozen=True)
class Bundle:
    """A graph and what it needs.

    Attributes:
        name: short name of the model.
        graph: ONNX file: input ``crops`` (B, S, S) uint8 grey levels; outputs ``points``
            (B, N, 2), ``stage_points`` (n_stages, B, N, 2), crop pixels, and those that
            :attr:`certainty` names: ``confidence`` (B,), ``covariance`` (B, N, 2, 2), square pixels
            of the crop, ``visibility`` (B, N).
        scheme: what the landmarks are.
        crop_size: S, pixels.
        mean_shape: (N, 2) pixels of the crop: where the face is expected.
        n_stages: stages of the cascade.
        has_confidence: whether the graph tells its confidence.
        has_covariance: whether it tells the covariance of each point's error.
        has_visibility: whether it tells how likely each point can be seen.
        weights: how weights are stored: ``fp32``, ``fp16`` or ``int8``.
        card: model card as plain values: training, figures, licences, versions.
    """

    name: str
    graph: bytes
    scheme: LandmarkScheme
    crop_size: int
    mean_shape: Points
    n_stages: int
    has_confidence: bool
    has_covariance: bool = False
    has_visibility: bool = False
    weights: str = "fp32"
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_shape("mean_shape", self.mean_shape, (self.scheme.n_landmarks, 2))
        box_of_points(self.mean_shape)  # finite points that span an area
        if not 1 <= self.crop_size <= MAX_CROP_SIZE or self.n_stages < 1:
            raise BundleError(
                f"expected a crop size of 1..{MAX_CROP_SIZE} and a stage or more, "
                f"got {self.crop_size} and {self.n_stages}"
            )

    @property
    def certainty(self) -> tuple[str, ...]:
        """Outputs of the graph that say what points are worth, in their order."""
        known = {
            "confidence": self.has_confidence,
            "covariance": self.has_covariance,
            "visibility": self.has_visibility,
        }
        return tuple(name for name, is_there in known.items() if is_there)

    @property
    def keeps_crops_apart(self) -> bool:
        """Whether the graph finds in a lone crop what it finds in company, on one CPU thread.

        Exports say so since they see to it; graphs that mirror crops never see a lone one.
        """
        return bool(self.card.get("keeps_crops_apart") or self.card.get("mirrored"))

    @property
    def graph_sha256(self) -> str:
        """What tells this model from all others."""
        return hashlib.sha256(self.graph).hexdigest()

    @property
    def metadata(self) -> dict[str, Any]:
        """All but the graph, as plain values; the graph's hash stands for it."""
        return {
            "format": FORMAT_VERSION,
            "name": self.name,
            "graph_sha256": self.graph_sha256,
            "scheme": self.scheme.to_dict(),
            "crop_size": self.crop_size,
            "mean_shape": np.asarray(self.mean_shape, dtype=np.float64).tolist(),
            "n_stages": self.n_stages,
            "has_confidence": self.has_confidence,
            "has_covariance": self.has_covariance,
            "has_visibility": self.has_visibility,
            "weights": self.weights,
            "card": dict(self.card),
        }


def save_bundle(path: FilePath, bundle: Bundle) -> None:
    """Write a bundle, whole or not at all; the same bundle gives the same bytes."""
    metadata = json.dumps(bundle.metadata, indent=1, ensure_ascii=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in ((METADATA, metadata.encode()), (GRAPH, bundle.graph)):
            file.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data, zipfile.ZIP_DEFLATED)
    write_bytes(path, buffer.getvalue())


def load_bundle(path: FilePath) -> Bundle:
    """Read a bundle and check its format, its sizes and the hash of its graph.

    Raises:
        BundleError: naming the file, if it is missing, damaged or something else.
    """
    try:
        return parse_bundle(read_bytes(path))
    except DanError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise BundleError(f"{path}: expected a dan bundle: {text}") from error


def parse_bundle(data: bytes) -> Bundle:
    """The bundle that a file's bytes hold.

    Raises:
        BundleError: saying what is wrong with it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            metadata = json.loads(_member(file, METADATA, MAX_METADATA_BYTES))
            graph = _member(file, GRAPH, MAX_BYTES)
    except BundleError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error) as error:
        raise BundleError(
            f"damaged, or no bundle at all, which 'dan export' makes of a model ({error})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{METADATA} cannot be read ({error})") from error
    except (RuntimeError, MemoryError) as error:  # encrypted, or packed in a way of its own
        raise BundleError(f"damaged, or no bundle at all ({error})") from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT_VERSION:
        found = metadata.get("format") if isinstance(metadata, dict) else type(metadata).__name__
        raise BundleError(f"expected format {FORMAT_VERSION}, got {found}")
    if hashlib.sha256(graph).hexdigest() != metadata.get("graph_sha256"):
        raise BundleError(f"{GRAPH} does not match its hash: the file was damaged or changed")
    try:
        return Bundle(
            name=str(metadata["name"]),
            graph=graph,
            scheme=LandmarkScheme.from_dict(metadata["scheme"]),
            crop_size=int(metadata["crop_size"]),
            mean_shape=np.array(metadata["mean_shape"], dtype=np.float32),
            n_stages=int(metadata["n_stages"]),
            has_confidence=bool(metadata["has_confidence"]),
            has_covariance=bool(metadata.get("has_covariance")),
            has_visibility=bool(metadata.get("has_visibility")),
            weights=str(metadata["weights"]),
            card=dict(metadata["card"]),
        )
    except DanError as error:
        raise BundleError(f"{METADATA}: {error}") from error
    except KeyError as error:
        raise BundleError(f"{METADATA}: the entry {error} is missing") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise BundleError(f"{METADATA}: {error}") from error


def _member(file: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    try:
        info = file.getinfo(name)
    except KeyError as error:
        raise BundleError(f"{name} is missing in it") from error
    if info.file_size > max_bytes:
        raise BundleError(f"{name}: expected at most {max_bytes} bytes, got {info.file_size}")
    with file.open(info) as stream:
        return stream.read(max_bytes + 1)


def models_folder() -> Path:
    """Where the bundles lie that come with the package."""
    return Path(__file__).resolve().parent / "bundles"


def bundle_path(model: FilePath) -> Path:
    """The file of a model given by name (one that comes with the package) or by path.

    Raises:
        BundleError: if it is neither.
    """
    named = models_folder() / f"{model}{SUFFIX}"
    if Path(model).name == str(model) and is_file(named):
        return named
    path = Path(model)
    if not is_file(path):
        known = ", ".join(sorted(p.stem for p in models_folder().glob(f"*{SUFFIX}"))) or "none"
        raise BundleError(f"{model}: expected a bundle's path or a model's name ({known})")
    return path
