"""Train, export, score and pack a released model: one command, to be repeated until it is done.

    python recipes/release.py dan68 faces.npz -o OUT [--minutes 9] [--data PATH/TO/300w]

trains recipes/dan68.toml on the face pack (dan prepare) into OUT/run, writes OUT/dan68.danbundle,
scores it on the test sets below --data, and writes the figures into its card. With --minutes each
call stops after so long, with exit code 130, and the next one goes on. --model takes a finished
training instead; words such as training.seed=2 go to dan train.
"""

import argparse
import datetime
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dan.cli.main import run
from dan.datasets.pack import canonical_crops, load_pack
from dan.evaluation.protocol import predict_protocol
from dan.evaluation.report import scores_of
from dan.inference.bundle import SUFFIX, Bundle, save_bundle
from dan.inference.onnx_model import OnnxModel
from dan.model import load_model
from dan.model.exporting import ExportOptions, export
from dan.model.exporting.bundling import WeightKind

RECIPES = Path(__file__).resolve().parent
CALIBRATION_FACES = 256


@dataclass(frozen=True)
class Packing:
    """How a released model is exported."""

    weights: WeightKind
    mirrored: bool


PACKING = {
    "dan68": Packing("fp16", mirrored=True),
    "dan68-fast": Packing("int8", mirrored=False),
    "dan68-tiny": Packing("int8", mirrored=False),
    "dan68-paper": Packing("fp16", mirrored=False),
}

CARD = {
    "data": "300-W's training faces (AFW, LFPW train, HELEN train) and, at half their weight, 1278 "
    "of AFLW with MERL-RAV's points, but for every tenth of each by name, which chose the best "
    "weights and calibrated confidence, covariance and visibility. No test face was seen, and none "
    "decided anything.",
    "boxes": "trained from boxes around the true landmarks, widely shaken; at work from any "
    "detector whose boxes were fitted to the landmarks' (dan.inference.detectors).",
    "intended_use": "landmarks of faces in photographs and video, for research. Not for "
    "deciding who somebody is, what somebody feels, or anything about a person's rights.",
    "limits": "faces of fewer than about 20 pixels, full profiles, of which few were trained on, "
    "faces covered by more than about half, drawings and animals. The training faces are "
    "photographs from the web and speak for the web's people, not for everybody: errors by age or "
    "skin were not measured.",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("name", choices=PACKING)
    parser.add_argument("pack", type=Path, help="face pack made by dan prepare")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--minutes", type=float, help="stop the training after so long")
    parser.add_argument("--data", type=Path, help="300-W's root, to score the bundle")
    parser.add_argument("--model", type=Path, help="a finished training's model")
    parser.add_argument("--device", default="auto")
    flags, overrides = parser.parse_known_args()
    model = flags.model
    if model is None:
        code = train(flags, overrides)
        if code:
            return code
        model = flags.out / "run" / "model.safetensors"
    flags.out.mkdir(parents=True, exist_ok=True)
    path = flags.out / f"{flags.name}{SUFFIX}"
    bundle = pack_model(flags.name, model, flags.pack)
    if flags.data is not None:
        bundle = replace(bundle, card={**bundle.card, "figures": figures_of(bundle, flags.data)})
    save_bundle(path, bundle)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


def train(flags: argparse.Namespace, overrides: list[str]) -> int:
    """Exit code of dan train: 130 where its time was over."""
    words = [sys.executable, "-m", "dan.cli.main", "train", flags.pack, *overrides]
    words += ["--recipe", RECIPES / f"{flags.name}.toml", "-o", flags.out / "run"]
    words += ["--device", flags.device]
    words += ["--stop-after", flags.minutes] if flags.minutes else []
    return subprocess.run([str(word) for word in words], check=False).returncode


def pack_model(name: str, model: Path, pack: Path) -> Bundle:
    """The bundle of a trained model, with its card but without figures."""
    file, packing = load_model(model), PACKING[name]
    crops = None
    if packing.weights == "int8":
        mean_shape = file.model.mean_shape.numpy()
        size = file.model.config.image_size
        crops = canonical_crops(load_pack(pack), mean_shape, size, CALIBRATION_FACES)
    options = ExportOptions(name, packing.weights, packing.mirrored, crops, CARD)
    return export(file, options)


def figures_of(bundle: Bundle, data: Path) -> dict[str, Any]:
    """Scores by the distance of the outer eye corners, all test sets and boxes that are there."""
    parts = predict_protocol(data, OnnxModel(bundle))
    scores = [score for part in parts for score in scores_of(part, threshold=0.08)]
    return {
        "command": f"dan evaluate {bundle.name} PATH/TO/300w --protocol 300w",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "scores": [score.to_dict() for score in scores if score.normaliser == "inter_ocular"],
    }


if __name__ == "__main__":
    sys.exit(run(main))
