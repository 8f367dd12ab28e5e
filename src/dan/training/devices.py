"""Choosing where to compute; the only place that tells one kind of device from another."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, get_args

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState

from dan.core.errors import ConfigError, DeviceError
from dan.training.recipe import Precision

Device = Literal["auto", "cpu", "cuda", "mps", "npu"]


def build_accelerator(
    device: str = "auto", precision: Precision = "auto", timeout_seconds: float = 600.0
) -> Accelerator:
    """An Accelerator on the wished device; under torchrun, one of many.

    Args:
        device: ``auto`` takes what Accelerate finds: CUDA, NPU, MPS, else the CPU.
        precision: ``auto`` is bf16 where the device computes it fast, else fp32.
        timeout_seconds: one of many processes gives up after waiting for the others so long.

    Raises:
        DeviceError: if the device or the precision is not to be had here; there is no silent
            fall-back.
        ConfigError: if the name is none of ours.
    """
    if device not in get_args(Device):
        raise ConfigError(f"device: expected one of {', '.join(get_args(Device))}, got {device!r}")
    _check_available(device)
    # Accelerate keeps its state in a singleton; a second training in one process starts anew.
    AcceleratorState._reset_state()
    PartialState._reset_state()
    timeout = timedelta(seconds=timeout_seconds)
    chosen = PartialState(cpu=device == "cpu", timeout=timeout).device.type
    if device not in ("auto", chosen):
        raise DeviceError(f"device: expected {device}, Accelerate chose {chosen}")
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(chosen) else "fp32"
    if precision == "fp16" and chosen == "cpu":
        raise DeviceError("precision: fp16 needs a GPU or NPU; on the CPU use bf16 or fp32")
    mixed = "no" if precision == "fp32" else precision
    return Accelerator(cpu=device == "cpu", mixed_precision=mixed)


def _check_available(device: str) -> None:
    if device == "npu" and importlib.util.find_spec("torch_npu") is None:
        raise DeviceError(
            "device: npu needs the package torch_npu (Huawei's Ascend adapter) in the version of "
            f"the installed torch {torch.__version__}; it is not installed"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device: expected a CUDA GPU, torch finds none here")
    if device == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device: expected an Apple GPU (mps), torch finds none here")


def _has_fast_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        # Without these instructions bf16 is emulated and takes twice the time of fp32.
        query: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
        capabilities = query()
        return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
    return device == "npu"
