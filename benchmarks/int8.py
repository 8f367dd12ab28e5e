"""What 8-bit weights cost on this processor: error, distance from the float network, time.

    python benchmarks/int8.py MODEL FACES.npz

MODEL is a bundle, the name of one, or a model file (.safetensors); FACES a face pack. Every tenth
face is judged, the others set the scales. A bundle in fp32 or fp16, or a model file, is quantised
with weights of 7 bits, as dan export does, and of 8; one in int8 is taken as it is. Each graph runs
with ONNX Runtime's session.x64quantprecision off and on. Where the processor has no 8-bit dot
products, sums of two products in 8 bits end at 32767; 7 bits and that option avoid it.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from dan.cli.main import run
from dan.core.types import FloatArray
from dan.datasets.pack import FacePack, canonical_crops, load_pack
from dan.evaluation.metrics import normalised_errors
from dan.geometry import box_of_points
from dan.geometry.cropping import crop_from_box
from dan.inference.bundle import Bundle, bundle_path, load_bundle
from dan.model import load_model
from dan.model.exporting import ExportOptions, export
from dan.model.exporting.int8 import quantise

HELD_OUT_EVERY = 10
CALIBRATION_FACES = 256
TIMED_FACES = 200
BATCH = 16
OPTION = "session.x64quantprecision"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="a bundle, the name of one, or a .safetensors file")
    parser.add_argument("pack", type=Path, help="face pack made by dan prepare")
    flags = parser.parse_args()
    bundle = bundle_of(flags.model)
    others, judged = load_pack(flags.pack).split(HELD_OUT_EVERY)
    crops = canonical_crops(judged, bundle.mean_shape, bundle.crop_size, len(judged.names))
    truth = points_in_crops(judged, bundle)
    reference = None
    print(f"{bundle.name}, {len(crops)} faces, 8-bit products are {'exact' if exact() else 'cut'}")
    for name, graph, option in variants(bundle, others):
        session = started(graph, option=option)
        found = np.concatenate(
            [points_of(session, crops[at : at + BATCH]) for at in range(0, len(crops), BATCH)]
        )
        reference = found if reference is None else reference
        off = np.linalg.norm(found - reference, axis=-1)
        errors = 100 * normalised_errors(found, truth, bundle.scheme, "inter_ocular")
        print(
            f"{name:<12}{OPTION if option else '':<27} {errors.mean():6.3f} %  "
            f"off by {off.mean():.3f} px, at most {off.max():.2f}  "
            f"{milliseconds(session, crops):.2f} ms"
        )


def bundle_of(model: str) -> Bundle:
    """The bundle to judge; a model file is exported in fp32."""
    if model.endswith(".safetensors"):
        return export(load_model(model), ExportOptions(Path(model).stem))
    return load_bundle(bundle_path(model))


def points_in_crops(pack: FacePack, bundle: Bundle) -> FloatArray:
    """(F, N, 2) annotated points, pixels of the crops."""
    shapes = [
        crop_from_box(box_of_points(points), bundle.mean_shape).apply(points)
        for points in pack.points
    ]
    return np.stack(shapes)


def variants(bundle: Bundle, faces: FacePack) -> Iterator[tuple[str, bytes, bool]]:
    """Name, graph, and whether the option is on; the first one is what others are compared with."""
    if bundle.weights == "int8":
        yield from (("as exported", bundle.graph, option) for option in (True, False))
        return
    yield "float", bundle.graph, False
    crops = canonical_crops(faces, bundle.mean_shape, bundle.crop_size, CALIBRATION_FACES)
    for bits in (7, 8):
        proto = onnx.load_from_string(bundle.graph)
        graph = quantise(proto, crops, reduce_range=bits == 7).SerializeToString()
        yield from ((f"{bits} bits", graph, option) for option in (False, True))


def started(graph: bytes, *, option: bool) -> onnxruntime.InferenceSession:
    """A session on one core."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_session_config_entry(OPTION, str(int(option)))
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def exact() -> bool:
    """Whether this processor adds products of 8-bit numbers without an end at 32767."""
    node = onnx.helper.make_node("MatMulInteger", ["a", "b"], ["sum"])
    a = onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [1, 4])
    total = onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.INT32, [1, 16])
    b = onnx.numpy_helper.from_array(np.full((4, 16), 127, np.int8), "b")
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "sum", [a], [total], [b]),
        opset_imports=[onnx.helper.make_opsetid("", 13)],
        ir_version=8,
    )
    session = started(model.SerializeToString(), option=False)
    (found,) = session.run(None, {"a": np.full((1, 4), 255, np.uint8)})
    return bool((found == 4 * 255 * 127).all())


def points_of(session: onnxruntime.InferenceSession, crops: np.ndarray) -> FloatArray:
    points: FloatArray = session.run(["points"], {"crops": np.ascontiguousarray(crops)})[0]
    return points


def milliseconds(session: onnxruntime.InferenceSession, crops: np.ndarray) -> float:
    """One face on one core: the least of many, whatever else the machine does."""
    seconds = []
    for crop in crops[:TIMED_FACES]:
        begun = time.perf_counter()
        points_of(session, crop[None])
        seconds.append(time.perf_counter() - begun)
    return 1000 * min(seconds)


if __name__ == "__main__":
    sys.exit(run(main))
