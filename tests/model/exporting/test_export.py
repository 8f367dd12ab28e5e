"""A bundle finds what torch finds: in every variant, batch size and storage."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from dan.core.errors import ConfigError, ParityError
from dan.inference.bundle import load_bundle, save_bundle
from dan.inference.onnx_model import OnnxModel
from dan.model import DAN, DANConfig
from dan.model.exporting import ExportOptions, bundling, export
from dan.model.exporting.bundling import (
    CHECKED_BATCHES,
    MIRRORED_VARIANCE,
    Cascade,
    GroupedLinear,
    distances_px,
)
from dan.model.torch_model import TorchModel
from dan.model.weights import ModelFile, save_model
from dan.schemes import FACE51, FACE68

SIZE = 32


def model_file(scheme=FACE68, **changes) -> ModelFile:
    """Random weights, but points that stay near the mean shape and span an area."""
    torch.manual_seed(3)
    settings = {"image_size": SIZE, "width": 2, "hidden": 16, "dropout": 0.0, **changes}
    model = DAN(DANConfig(n_landmarks=scheme.n_landmarks, **settings)).eval()
    rng = np.random.default_rng(0)
    shape = rng.uniform(8, 24, (scheme.n_landmarks, 2))
    model.set_statistics(shape, np.full((SIZE, SIZE), 120.0), np.full((SIZE, SIZE), 60.0))
    with torch.no_grad():
        for stage in model.stages:
            stage.offsets.weight.mul_(0.3)
        if model.refinement is not None:
            model.refinement.offsets.weight.normal_(std=0.1)
        for head in (model.covariance, model.visibility):
            for value in () if head is None else head.parameters():
                value.normal_(std=0.1)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2.0)
    return ModelFile(model, scheme, {"date": "2026-11-23"})


def some_crops():
    return np.random.default_rng(1).integers(0, 256, (7, SIZE, SIZE), dtype=np.uint8)


def many_crops():
    return np.random.default_rng(2).integers(0, 256, (40, SIZE, SIZE), dtype=np.uint8)


@pytest.fixture
def crops():
    return some_crops()


def points_of(bundle, crops):
    return OnnxModel(bundle)(crops).points


def mirrored(points):
    """Points of a mirrored crop in the crop's own frame."""
    back = points[:, FACE68.mirror].copy()
    back[..., 0] = SIZE - 1 - back[..., 0]
    return back


@pytest.mark.parametrize(
    "changes",
    [
        {"n_stages": 1},
        {"n_stages": 2, "heat_map": "gaussians"},
        {"n_stages": 3, "heat_map": "gaussians", "trunk": "strided", "confidence": True},
        {"n_stages": 2, "variant": "theano", "refinement": 3},
        {"n_stages": 1, "trunk": "strided", "refinement": 4},
        {"n_stages": 2, "variant": "tensorflow"},
        {"n_stages": 3, "border": "inner_edge"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_torch_and_onnxruntime_agree_on_every_batch_size(changes):
    file = model_file(**changes)
    bundle = export(file, ExportOptions("tiny"))
    assert CHECKED_BATCHES == (1, 2, 7, 64)
    assert distances_px(Cascade(file.model, None), bundle).max() < 0.01
    assert bundle.card["parity_px"] < 0.01
    assert bundle.has_confidence == file.model.config.confidence


@cache
def exported(weights="fp32", *, mirrored=False):
    """Exports take seconds: each is made once."""
    crops = some_crops()
    return export(
        standard_file(),
        ExportOptions("tiny", weights=weights, mirrored=mirrored, calibration=crops),
    )


@cache
def standard_file() -> ModelFile:
    return file_of(FACE68)


def file_of(scheme) -> ModelFile:
    heads = {"confidence": True, "covariance": True, "visibility": True}
    return model_file(
        scheme, n_stages=2, heat_map="gaussians", width=8, trunk="strided", refinement=4, **heads
    )


def test_points_and_their_certainty_are_those_of_torch(crops, tmp_path):
    file = standard_file()
    save_bundle(tmp_path / "tiny.danbundle", exported())
    found = OnnxModel(load_bundle(tmp_path / "tiny.danbundle"))(crops)
    with torch.no_grad():
        output = file.model(torch.from_numpy(crops)[:, None].float())
        certainty = file.model.certainty(output)
    np.testing.assert_allclose(found.points, output.estimates[-1], atol=0.01)
    assert list(certainty) == ["confidence", "covariance", "visibility"]
    save_model(tmp_path / "tiny.safetensors", file.model, file.scheme)
    assert TorchModel(tmp_path / "tiny.safetensors").certainty == tuple(certainty)
    for name, values in certainty.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-3, atol=1e-4)
    assert np.ptp(found.visibility) > 0.1
    none = OnnxModel(exported())(crops[:0])
    assert none.covariance.shape == (0, 68, 2, 2)
    assert none.visibility.shape == (0, 68)


def test_half_the_weights_half_the_size(crops):
    full, half = exported("fp32"), exported("fp16")
    assert len(half.graph) < 0.62 * len(full.graph)
    assert half.card["parity_px"] == full.card["parity_px"] < 0.01
    distance = np.abs(points_of(full, crops) - points_of(half, crops))
    assert 0 < distance.max() < 0.1


def test_mirrored_results_are_the_mean_of_both_views(crops):
    flipped = np.ascontiguousarray(crops[:, :, ::-1])
    expected = (points_of(exported(), crops) + mirrored(points_of(exported(), flipped))) / 2
    both = exported(mirrored=True)
    np.testing.assert_allclose(points_of(both, crops), expected, atol=0.01)
    # The result of a mirrored picture is the mirrored result.
    np.testing.assert_allclose(mirrored(points_of(both, flipped)), expected, atol=0.01)


def test_the_certainty_of_a_mirrored_picture_is_mirrored(crops):
    model = OnnxModel(exported(mirrored=True))
    found, other = model(crops), model(np.ascontiguousarray(crops[:, :, ::-1]))
    flip = np.array([[1, -1], [-1, 1]])
    back = other.covariance[:, FACE68.mirror] * flip
    np.testing.assert_allclose(found.covariance, back, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.visibility, other.visibility[:, FACE68.mirror], atol=1e-4)
    alone = OnnxModel(exported())
    one, flipped = (alone(views).covariance for views in (crops, crops[:, :, ::-1].copy()))
    expected = (one + flipped[:, FACE68.mirror] * flip) / 2 * MIRRORED_VARIANCE
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["fp32", "int8", "an odd number of points"])
def test_a_crop_gives_the_same_bits_alone_and_in_company(kind):
    if kind in ("fp32", "int8"):
        bundle = exported(kind)
    else:
        bundle = export(file_of(FACE51), ExportOptions("tiny"))
    assert bundle.keeps_crops_apart
    model, crops = OnnxModel(bundle, threads=1), many_crops()
    together = model(crops)
    for place in range(len(crops)):
        alone = model(crops[place : place + 1])
        for name in ("points", "confidence", "covariance", "visibility"):
            found, expected = getattr(alone, name)[0], getattr(together, name)[place]
            assert found.tobytes() == expected.tobytes(), name


def test_small_dense_layers_that_see_the_same_are_one():
    for weights in ("fp32", "int8"):
        graph = onnx.load_from_string(exported(weights).graph).graph
        kinds = [node.op_type for node in graph.node if node.op_type == "Gemm"]
        assert len(kinds) == 5, weights  # hidden and heads of either stage, the refinement's


def test_int8_stays_near(crops):
    distance = np.linalg.norm(
        points_of(exported("int8"), crops) - points_of(exported(), crops), axis=-1
    )
    assert 0 < distance.mean() < 0.5


def test_the_dense_layers_of_points_are_quantised_as_one_convolution():
    layer = standard_file().model.refinement.look
    values = torch.randn(3, 68, layer.weight.shape[1])
    with torch.no_grad():
        np.testing.assert_allclose(GroupedLinear(layer)(values), layer(values), atol=1e-4)
    graph = onnx.load_from_string(exported("int8").graph).graph
    groups = [
        attribute.i
        for node in graph.node
        if node.op_type == "Conv"
        for attribute in node.attribute
        if attribute.name == "group"
    ]
    assert groups.count(68) == 1


def test_no_sum_of_8_bit_products_is_too_large_for_any_processor():
    graph = onnx.load_from_string(exported("int8").graph).graph
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    kernels = [values for values in tensors if values.dtype == np.int8 and values.ndim > 1]
    assert len(kernels) >= 16  # eight convolutions a stage
    largest = max(np.abs(kernel.astype(int)).max() for kernel in kernels)
    # Without 8-bit dot products, two products are added in 16 bits.
    assert 2 * 255 * largest <= np.iinfo(np.int16).max


def test_no_8_bit_result_is_widened_for_a_relu():
    graph = onnx.load_from_string(exported("int8").graph).graph
    maker = {name: node.op_type for node in graph.node for name in node.output}
    # The convolutions' ReLUs are gone: a scale that starts at zero does what they did.
    assert {maker[node.input[0]] for node in graph.node if node.op_type == "Relu"} == {
        "Split",  # of a dense layer
        "BatchNormalization",  # of the refinement
    }


def test_int8_needs_crops_to_calibrate_with():
    with pytest.raises(ConfigError, match="expected crops to calibrate with"):
        export(model_file(n_stages=1), ExportOptions("tiny", weights="int8"))


def test_mirroring_needs_flip_partners():
    file = ModelFile(model_file(n_stages=1).model, replace(FACE68, flip_partner=None), {})
    with pytest.raises(ConfigError, match="flip partners"):
        export(file, ExportOptions("tiny", mirrored=True))


def test_a_graph_that_differs_is_not_let_go(monkeypatch):
    monkeypatch.setattr(bundling, "distances_px", lambda *_: np.array([0.0, 0.2]))
    with pytest.raises(ParityError, match=r"expected at most 0\.01 px .* got 0\.2000"):
        export(model_file(n_stages=1), ExportOptions("tiny"))


def test_fp16_weights_that_move_points_are_not_let_go(monkeypatch):
    found = {"fp32": np.array([0.001]), "fp16": np.array([0.0, 0.2])}
    monkeypatch.setattr(bundling, "distances_px", lambda _, bundle: found[bundle.weights])
    with pytest.raises(ParityError, match=r"at most 0\.05 px in the mean, got 0\.1000"):
        export(model_file(n_stages=1), ExportOptions("tiny", weights="fp16"))


def test_nothing_of_the_machine_is_in_the_file():
    bundle = exported()
    assert b"/" + b"home" not in bundle.graph
    assert b"site-packages" not in bundle.graph
    assert b"bundling.py" not in bundle.graph
