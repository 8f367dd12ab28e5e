"""ONNX Runtime, made to keep to itself."""

from __future__ import annotations

import os
from typing import Any


def onnx_runtime() -> Any:  # noqa: ANN401 - it ships no types
    """The package; import it through here.

    From 1.32 on, its builds report their use to their maker, and keep a device's id in the home
    folder, also on Linux. It reads this variable once, when it is first imported; a user's own
    value of it counts.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
