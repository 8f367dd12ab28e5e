import pytest

torch = pytest.importorskip("torch")

from dan.core.errors import ConfigError, DeviceError
from dan.training import devices
from dan.training.devices import build_accelerator


def test_cpu_in_float32():
    accelerator = build_accelerator("cpu", "fp32")
    assert (accelerator.device.type, accelerator.mixed_precision) == ("cpu", "no")


def test_npu_names_the_missing_package(monkeypatch):
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match="npu needs the package torch_npu"):
        build_accelerator("npu")


@pytest.mark.parametrize(
    ("device", "available"),
    [("cuda", "torch.cuda.is_available"), ("mps", "torch.backends.mps.is_available")],
)
def test_a_missing_device_is_an_error_not_a_fall_back(monkeypatch, device, available):
    monkeypatch.setattr(available, lambda: False)
    with pytest.raises(DeviceError, match=f"device: expected .*{device}|CUDA"):
        build_accelerator(device)


def test_unknown_device():
    with pytest.raises(ConfigError, match="device: expected one of auto, cpu, cuda, mps, npu"):
        build_accelerator("tpu")


def test_fp16_is_refused_on_the_cpu():
    with pytest.raises(DeviceError, match="fp16 needs a GPU or NPU"):
        build_accelerator("cpu", "fp16")


@pytest.mark.parametrize(("has_instructions", "precision"), [(True, "bf16"), (False, "no")])
def test_auto_precision_follows_the_processor(monkeypatch, has_instructions, precision):
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_instructions}, raising=False
    )
    assert build_accelerator("cpu", "auto").mixed_precision == precision
