"""A bundle at work in ONNX Runtime: crops in, landmarks of the crops out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_array, check_shape
from dan.core.cores import usable_cores
from dan.core.errors import BundleError, ConfigError, DeviceError, ShapeError
from dan.core.types import FilePath, Points
from dan.inference.bundle import Bundle, bundle_path, load_bundle
from dan.inference.copying import Copied
from dan.inference.landmark_model import CropLandmarks
from dan.inference.runtime import onnx_runtime
from dan.schemes import LandmarkScheme

if TYPE_CHECKING:
    import onnxruntime

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cann": "CANNExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Execution providers of ONNX Runtime by the names that our options use."""

MAX_BATCH = 4
"""Crops for each thread that go through a CPU together. More leave its caches: dan68-fast takes
1.44 ms a crop in fours and 1.71 in sixteens (2 MB of second-level cache, 2026-11-27)."""

MAX_BATCH_OF_ACCELERATORS = 64


class OnnxModel(Copied):
    """A :class:`dan.LandmarkModel` made of a bundle.

    Safe to share between threads: nothing in it changes after it was made. It can be copied and
    pickled: a copy starts a session of its own, with the same options.

    With one thread on a CPU, what it finds in a crop does not depend on the crops beside it, bit
    for bit.

    Args:
        model: a bundle, its path, or the name of a model that comes with the package.
        threads: of one run; None: ONNX Runtime's choice, one a core.
        provider: ``cpu``, ``cuda``, ``cann``, ``coreml`` or ``directml``. One that the installed
            ONNX Runtime lacks is an error; there is no silent fall-back.

    Raises:
        BundleError: naming the file, if it is damaged or foreign.
        DeviceError: if the provider is not there.
    """

    _own = ("_session",)

    def __init__(
        self, model: Bundle | FilePath, *, threads: int | None = None, provider: str = "cpu"
    ) -> None:
        if threads is not None and (threads < 1 or threads != int(threads)):
            raise ConfigError(f"threads: expected at least 1 and a whole number, got {threads}")
        name = model.name if isinstance(model, Bundle) else str(model)
        bundle = model if isinstance(model, Bundle) else load_bundle(bundle_path(model))
        self.name: str = bundle.name
        self.scheme: LandmarkScheme = bundle.scheme
        self.crop_size: int = bundle.crop_size
        self.mean_shape: Points = bundle.mean_shape
        self.n_stages: int = bundle.n_stages
        self.has_confidence: bool = bundle.has_confidence
        self.certainty: tuple[str, ...] = bundle.certainty
        self.sha256: str = bundle.graph_sha256
        self.threads: int | None = None if threads is None else int(threads)
        self.provider: str = provider
        self._max_batch = (
            MAX_BATCH * (self.threads or usable_cores())
            if provider == "cpu"
            else MAX_BATCH_OF_ACCELERATORS
        )
        # ONNX Runtime adds up the products of one row in another order than those of several, and
        # a last bit may turn the rounding of an 8-bit network: so a lone crop goes twice, unless
        # the graph sees to that. More threads than crops have the same effect.
        self._doubles_one = threads == 1 and not bundle.keeps_crops_apart
        self._graph, self._called, self._shapes = bundle.graph, name, _shapes_of(bundle)
        self._prepare()
        _check_graph(self._session, self._shapes, name)

    def _prepare(self) -> None:
        self._session = start_session(self._graph, self._called, self.threads, self.provider)

    def __call__(self, crops: npt.NDArray[np.uint8]) -> CropLandmarks:
        """Landmarks of (B, S, S) grey crops, B >= 0, and the estimates of every stage.

        Raises:
            ShapeError: if the crops have another shape or type.
            BundleError: if the network cannot run, or finds what are no numbers.
        """
        points, stages, *said = self._outputs(crops, ["points", "stage_points", *self.certainty])
        if not np.isfinite(points).all():
            raise BundleError(f"{self.name}: found points that are no numbers: a damaged model")
        return CropLandmarks.of(points, stages, dict(zip(self.certainty, said, strict=True)))

    def _outputs(
        self, crops: npt.NDArray[np.uint8], names: list[str]
    ) -> list[npt.NDArray[np.float32]]:
        """Outputs of the graph for all crops."""
        crops = as_array("crops", crops)
        check_shape("crops", crops, ("B", self.crop_size, self.crop_size))
        if crops.dtype != np.uint8:
            raise ShapeError(f"crops: expected uint8 grey levels, got {crops.dtype}")
        starts = range(0, len(crops), self._max_batch)
        parts = [np.ascontiguousarray(crops[start : start + self._max_batch]) for start in starts]
        try:
            runs = [self._run(part, names) for part in parts]
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise BundleError(f"{self.name}: onnxruntime failed: {_first(error)}") from error
        if not runs:
            shapes = [self._shapes[name] for name in names]
            return [np.empty([length or 0 for length in shape], np.float32) for shape in shapes]
        return [
            np.concatenate(arrays, axis=self._shapes[name].index(None))
            for name, arrays in zip(names, zip(*runs, strict=True), strict=True)
        ]

    def _run(self, crops: npt.NDArray[np.uint8], names: list[str]) -> list[npt.NDArray[np.float32]]:
        """Outputs of the graph for one batch, at least one crop."""
        if len(crops) > 1 or not self._doubles_one:
            return list(self._session.run(names, {"crops": crops}))
        twice = self._session.run(names, {"crops": crops.repeat(2, axis=0)})
        axes = [self._shapes[name].index(None) for name in names]
        return [array.take([0], axis) for array, axis in zip(twice, axes, strict=True)]


def start_session(
    graph: bytes, name: str, threads: int | None, provider: str
) -> onnxruntime.InferenceSession:
    """A session of a graph on a provider.

    Args:
        name: of the model, for messages.
        threads: see :class:`OnnxModel`.
        provider: see :class:`OnnxModel`.

    Raises:
        BundleError: if ONNX Runtime cannot run the graph.
        ConfigError: if there is no such provider.
        DeviceError: if it is not there.
    """
    onnxruntime = onnx_runtime()
    if provider not in PROVIDERS:
        raise ConfigError(f"provider: expected one of {', '.join(PROVIDERS)}, got {provider}")
    available = onnxruntime.get_available_providers()
    if PROVIDERS[provider] not in available:
        usable = [key for key, value in PROVIDERS.items() if value in available]
        raise DeviceError(
            f"provider: expected one that this onnxruntime has ({', '.join(usable)}), "
            f"got {provider}"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; they also arrive as exceptions
    if threads is not None:
        options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    names = list(dict.fromkeys([PROVIDERS[provider], PROVIDERS["cpu"]]))  # the CPU: shape sums
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=names)
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise BundleError(f"{name}: onnxruntime cannot run its graph: {_first(error)}") from error
    if session.get_providers()[0] != PROVIDERS[provider]:
        raise DeviceError(f"provider: {provider} did not start on this machine")
    return session


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shapes_of(bundle: Bundle) -> dict[str, list[int | None]]:
    """Of the graph's input and outputs as the format promises them; None: one for each crop."""
    size, n_landmarks = bundle.crop_size, bundle.scheme.n_landmarks
    shapes: dict[str, list[int | None]] = {
        "crops": [None, size, size],
        "points": [None, n_landmarks, 2],
        "stage_points": [bundle.n_stages, None, n_landmarks, 2],
        "confidence": [None],
        "covariance": [None, n_landmarks, 2, 2],
        "visibility": [None, n_landmarks],
    }
    names = ("crops", "points", "stage_points", *bundle.certainty)
    return {name: shapes[name] for name in names}


def _check_graph(
    session: onnxruntime.InferenceSession, shapes: Mapping[str, list[int | None]], name: str
) -> None:
    """Inputs and outputs must be those that the format promises."""
    inputs = session.get_inputs()
    if [node.name for node in inputs] != ["crops"]:
        names = ", ".join(node.name for node in inputs)
        raise BundleError(f"{name}: expected a graph with the one input crops, got {names}")
    found = {node.name: node for node in [*inputs, *session.get_outputs()]}
    for key, shape in shapes.items():
        if key not in found:
            raise BundleError(f"{name}: expected {key} in the graph, got {', '.join(found)}")
        got, kind = found[key].shape, found[key].type
        fits = len(got) == len(shape)
        if not fits or any(w not in (None, g) for w, g in zip(shape, got, strict=True)):
            raise BundleError(f"{name}: {key}: expected shape {shape} in the graph, got {got}")
        if kind != ("tensor(uint8)" if key == "crops" else "tensor(float)"):
            raise BundleError(f"{name}: {key}: expected uint8 crops and float results, got {kind}")
        if isinstance(got[shape.index(None)], int):
            raise BundleError(f"{name}: {key}: expected a free batch size, got {got}")
