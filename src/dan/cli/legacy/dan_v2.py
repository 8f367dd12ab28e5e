"""``DAN_V2.py``: train, evaluate and predict with the old flags, on folders of samples.

MODEL_DIR holds ``stage1``, ``stage2``, … as :mod:`dan.training.run_folder` describes them.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dan.cli.common import need_torch
from dan.cli.legacy.arguments import Parser, run_legacy, whole_number
from dan.cli.legacy.samples import SampleFolder
from dan.core.errors import ConfigError, DataError, DeviceError
from dan.core.files import check_output_folder
from dan.core.types import FloatArray
from dan.evaluation.metrics import area_under_ced, failure_rate
from dan.schemes import FACE68, LandmarkScheme

if TYPE_CHECKING:
    from accelerate import Accelerator

    from dan.model import DAN
    from dan.training.face_tensors import FaceTensors, TrainingData
    from dan.training.phases import Phase
    from dan.training.recipe import Precision, Recipe

PICTURE_SIDE = 448
"""Pictures of predictions are enlarged at least to this side, pixels."""

THRESHOLD = 0.08
SYNTHETIC_SAMPLES = 1024
HOOKS = ("LoggingTensorHook", "ExamplesPerSecondHook")
SILENT_HOOKS = ("ProfilerHook", "LoggingMetricHook")
"""Known to TensorFlow's model garden; taken, and without effect here."""

PRECISION_MODES = (
    "must_keep_origin_dtype",
    "allow_mix_precision",
    "allow_fp32_to_fp16",
    "force_fp16",
)


@dataclass(frozen=True)
class Options:
    """The flags, in words, and the network's sizes, which no flag changes."""

    data_dir: Path
    data_dir_test: Path | None
    model_dir: Path
    num_lmark: int
    train_epochs: int
    epochs_per_eval: int
    dan_stage: int
    mode: str
    batch_size: int
    multi_gpu: bool
    use_synthetic_data: bool
    max_train_steps: int | None
    num_parallel_calls: int
    inter_op_parallelism_threads: int
    intra_op_parallelism_threads: int
    data_format: str
    hooks: tuple[str, ...]
    precision_mode: str
    width: int = 64
    hidden: int = 256

    def stage_dir(self, stage: int) -> Path:
        """Where a stage's files lie."""
        root = self.model_dir / "synthetic" if self.use_synthetic_data else self.model_dir
        return root / f"stage{stage}"

    def stage_model(self, stage: int) -> Path:
        """The newest model of a stage.

        Raises:
            DataError: naming the command that makes it, if there is none.
        """
        path = self.stage_dir(stage) / "last.safetensors"
        if not path.is_file():
            raise DataError(
                f"{path}: expected the model of stage {stage}, found none; train it first: "
                f"python DAN_V2.py -ds {stage} --data_dir={self.data_dir} "
                f"--model_dir={self.model_dir} -nlm {self.num_lmark} -mode train"
            )
        return path


def main(arguments: Sequence[str] | None = None, *, width: int = 64, hidden: int = 256) -> int:
    """Run the script, by default with a network of the paper's sizes; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)

    def work() -> int:
        return _run(replace(_parse(words), width=width, hidden=hidden), words)

    return run_legacy("DAN_V2.py", work)


def _run(options: Options, words: Sequence[str]) -> int:
    need_torch()
    if options.multi_gpu and "LOCAL_RANK" not in os.environ:
        return _run_on_all_devices(words)
    _set_threads(options)
    {"train": _train, "eval": _evaluate, "predict": _predict}[options.mode](options)
    return 0


# --------------------------------------------------------------------------------------- modes


def _train(options: Options) -> None:
    from dan.cli.legacy.cycle_log import CycleLog
    from dan.training.log import log_of_process
    from dan.training.loop import train_phase
    from dan.training.pipeline import build_model, check_batch_size
    from dan.training.run_folder import PhaseFolder
    from dan.training.state import load_phase

    stage = options.dan_stage
    earlier = options.stage_model(stage - 1) if stage > 1 else None
    accelerator = _accelerator(options)
    check_batch_size("--batch_size", options.batch_size, accelerator)
    data, statistics = _training_data(options, accelerator)
    recipe = _recipe(options, data.train.images.shape[-1])
    model: DAN = build_model(recipe.model, recipe.training.seed)
    if earlier is not None:
        load_phase(model, earlier, accelerator)
    else:
        model.set_statistics(*statistics)
    folder = PhaseFolder(options.stage_dir(stage))
    with CycleLog(options.hooks) as log:
        own_log = log_of_process(log, accelerator)
        phase = _phase(options, recipe, len(data.train))
        train_phase(phase, model, data, folder, accelerator=accelerator, log=own_log)
    if accelerator.is_main_process:
        print(f"Save path: {folder.last}")


def _phase(options: Options, recipe: Recipe, n_faces: int) -> Phase:
    """The stage's training, cut off at ``--max_train_steps``."""
    from dan.training.phases import stage_phase

    phase = stage_phase(options.dan_stage, recipe, n_faces)
    if options.max_train_steps is None:
        return phase
    return replace(phase, n_steps=min(phase.n_steps, options.max_train_steps))


def _evaluate(options: Options) -> None:
    from dan.training.validation import validate

    accelerator = _accelerator(options)
    model = _stage_model(options)
    faces, _ = _load_faces(options, options.data_dir_test or options.data_dir)
    scheme = _scheme(options.num_lmark)
    figures = validate(
        model,
        faces.to(accelerator.device),
        scheme,
        "diagonal",
        accelerator,
        n_stages=options.dan_stage,
        batch_size=options.batch_size,
    )
    if accelerator.is_main_process:
        print(
            f"loss: {figures.loss:.6f} (stage {options.dan_stage}, {figures.n_faces} images, mean "
            "distance over the diagonal of the landmark box)"
        )


def _predict(options: Options) -> None:
    from dan.evaluation.metrics import normalised_errors
    from dan.training.validation import predict_faces

    if options.data_dir_test is None:
        raise ConfigError("-mode predict: expected --data_dir_test, got none")
    out = options.model_dir / "PREDICT"
    if out.resolve() == options.data_dir_test.resolve():  # the pictures are called as the samples
        raise DataError(f"{out}: expected another folder than that of the samples, --data_dir_test")
    check_output_folder(out)
    accelerator = _accelerator(options)
    model = _stage_model(options)
    faces, folder = _load_faces(options, options.data_dir_test)
    found = predict_faces(
        model,
        faces.to(accelerator.device),
        accelerator,
        n_stages=options.dan_stage,
        batch_size=options.batch_size,
    )[-1]
    if not accelerator.is_main_process:
        return
    truth = faces.points.numpy()
    scheme = _scheme(options.num_lmark)
    _draw_predictions(out, folder.names, np.asarray(faces.images), found, truth)
    if scheme.eyes is None:
        _print_scores(normalised_errors(found, truth, scheme, "diagonal"), "box diagonal")
    else:
        _print_scores(normalised_errors(found, truth, scheme, "inter_pupil"), "eye centres")
        ocular = normalised_errors(found, truth, scheme, "inter_ocular").mean()
        print(f"Average error over the outer eye corners: {ocular:.6f}")
    print(f"Save path:{out}")


# --------------------------------------------------------------------------------------- parts


def _recipe(options: Options, image_size: int) -> Recipe:
    from dan.model import DANConfig
    from dan.training import Augmentation, Recipe, TrainingSettings

    return Recipe(
        model=DANConfig(
            n_landmarks=options.num_lmark,
            image_size=image_size,
            n_stages=options.dan_stage,
            width=options.width,
            hidden=options.hidden,
        ),
        augmentation=Augmentation.none(),  # preprocessing.py has done it
        training=TrainingSettings(
            epochs=(options.train_epochs,) * options.dan_stage,
            batch_size=options.batch_size,
            loss="diagonal",
            optimiser="adam",
            rate=1e-3,
            weight_decay=0.0,
            rate_schedule="constant",
            warm_up_steps=0,
            clip_norm=0.0,
            validate_every=options.epochs_per_eval,
            precision=_precision(options),
            data_format="channels_first"
            if options.data_format == "channels_first"
            else "channels_last",
        ),
    )


def _precision(options: Options) -> Precision:
    if options.precision_mode == "must_keep_origin_dtype":
        return "fp32"
    import torch

    return "fp16" if torch.accelerator.is_available() else "bf16"


def _accelerator(options: Options) -> Accelerator:
    from dan.training.devices import build_accelerator

    return build_accelerator("auto", _precision(options))


def _scheme(n_landmarks: int) -> LandmarkScheme:
    """As the old scripts had it: eyes are known of 68 points only; others go by the box."""
    return FACE68 if n_landmarks == FACE68.n_landmarks else LandmarkScheme.plain(n_landmarks)


def _stage_model(options: Options) -> DAN:
    from dan.model import load_model

    path = options.stage_model(options.dan_stage)
    loaded = load_model(path).model
    if loaded.config.n_landmarks != options.num_lmark:
        raise ConfigError(
            f"-nlm: expected {loaded.config.n_landmarks} as {path} has, got {options.num_lmark}"
        )
    return loaded


def _load_faces(options: Options, path: Path) -> tuple[FaceTensors, SampleFolder]:
    """The samples of the old ``preprocessing.py``: crops already, so nothing is moved."""
    import torch

    from dan.training.face_tensors import FaceTensors

    folder = SampleFolder.open(path)
    images = torch.from_numpy(folder.load_images(options.num_parallel_calls))
    points = torch.from_numpy(folder.load_points(options.num_lmark))
    transforms = torch.eye(2, 3).repeat(len(images), 1, 1)
    return FaceTensors.plain(images, points, transforms), folder


def _training_data(
    options: Options, accelerator: Accelerator
) -> tuple[TrainingData, tuple[FloatArray, FloatArray, FloatArray]]:
    """Faces to train on and to evaluate on, and mean shape, mean image, deviation image."""
    from dan.training.face_tensors import TrainingData, identity_of

    device, scheme = accelerator.device, _scheme(options.num_lmark)
    if options.use_synthetic_data:
        faces, valid = (
            _synthetic_faces(options.num_lmark, count).to(device)
            for count in (SYNTHETIC_SAMPLES, min(options.batch_size, SYNTHETIC_SAMPLES))
        )
        data = TrainingData(faces, valid, scheme, "synthetic")
        size = faces.images.shape[-1]
        statistics = (faces.points[0].cpu().numpy(), np.zeros((size, size)), np.ones((size, size)))
        return data, statistics
    train, folder = _load_faces(options, options.data_dir)
    valid = train
    if options.data_dir_test is not None:
        valid, _ = _load_faces(options, options.data_dir_test)
    identity = identity_of(folder.names, train.points.numpy())
    data = TrainingData(train.to(device), valid.to(device), scheme, identity)
    return data, (folder.mean_shape, folder.mean_image, folder.std_image)


def _synthetic_faces(n_landmarks: int, count: int) -> FaceTensors:
    """Black pictures with the landmarks on a circle: to time the model alone."""
    import torch

    from dan.training.face_tensors import FaceTensors

    angle = torch.arange(n_landmarks) * (2 * math.pi / n_landmarks)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1) * 40 + 55.5
    return FaceTensors.plain(
        images=torch.zeros(count, 112, 112, dtype=torch.uint8),
        points=circle.repeat(count, 1, 1),
        crop_from_image=torch.eye(2, 3).repeat(count, 1, 1),
    )


def _draw_predictions(
    out: Path,
    names: Sequence[str],
    images: npt.NDArray[np.uint8],
    found: FloatArray,
    truth: FloatArray,
) -> None:
    from dan.core.images import write_png
    from dan.drawing.landmarks import draw_face

    out.mkdir(parents=True, exist_ok=True)
    scheme = _scheme(found.shape[1])
    for name, image, points, true in zip(names, images, found, truth, strict=True):
        picture = draw_face(image, points, scheme, truth_xy=true, min_side=PICTURE_SIDE)
        write_png(out / f"{name}.png", picture)


def _print_scores(errors: FloatArray, normaliser: str) -> None:
    print(f"Average error: {errors.mean():.6f}  (share of the distance of the {normaliser})")
    print(f"AUC @ {THRESHOLD}: {area_under_ced(errors, THRESHOLD):.6f}")
    print(f"Failure rate: {failure_rate(errors, THRESHOLD):.6f}")


def _set_threads(options: Options) -> None:
    import torch

    if options.intra_op_parallelism_threads:
        torch.set_num_threads(options.intra_op_parallelism_threads)
    if options.inter_op_parallelism_threads:
        torch.set_num_interop_threads(options.inter_op_parallelism_threads)


def _run_on_all_devices(words: Sequence[str]) -> int:
    """Start one process for each accelerator, each running this script with the same flags."""
    import torch

    count = torch.accelerator.device_count()
    if not count:
        raise DeviceError("--multi_gpu: expected at least one accelerator, torch finds none here")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher.append(f"--nproc_per_node={count}")
    program = ["--module", "dan.cli.legacy.dan_v2"]
    return subprocess.run([*launcher, *program, *words], check=False).returncode  # noqa: S603


# --------------------------------------------------------------------------------------- flags


def _hook(name: str) -> str:
    by_lower_case = {hook.lower(): hook for hook in (*HOOKS, *SILENT_HOOKS)}
    if name.lower() not in by_lower_case:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(by_lower_case.values())}, got {name!r}"
        )
    return by_lower_case[name.lower()]


def _parse(words: Sequence[str]) -> Options:
    """The options of a command line."""
    parser = Parser("DAN_V2.py", "Deep Alignment Network: train, evaluate, predict.")
    positive = whole_number(1)

    def flag(*names: str, **settings: Any) -> None:  # noqa: ANN401
        parser.add_argument(*names, **settings)

    flag("--data_dir", "-dd", type=Path, default=Path("./data_dir"), help="training samples")
    flag("--data_dir_test", "-ddt", default=None, help="test samples; None: the training samples")
    flag("--model_dir", "-md", type=Path, default=Path("./model_dir"), help="models and pictures")
    flag("--num_lmark", "-nlm", type=whole_number(2), default=68, help="landmarks a face")
    flag("--train_epochs", "-te", type=positive, default=20, help="epochs in all")
    flag("--epochs_per_eval", "-epe", type=positive, default=10, help="epochs between evaluations")
    flag("--dan_stage", "-ds", type=positive, default=1, help="stage to train, or last to run")
    flag("--mode", "-mode", choices=("train", "eval", "predict"), default="train")
    flag("--batch_size", "-bs", type=positive, default=64)
    flag("--multi_gpu", action="store_true", help="use all accelerators of this machine")
    flag("--use_synthetic_data", "-synth", action="store_true", help="time the model alone")
    flag("--max_train_steps", "-mts", type=positive, default=None, help="stop at this step")
    flag("--num_parallel_calls", "-npc", type=positive, default=5, help="loader threads")
    flag("--inter_op_parallelism_threads", "-inter", type=whole_number(0), default=0)
    flag("--intra_op_parallelism_threads", "-intra", type=whole_number(0), default=0)
    formats = ("channels_first", "channels_last")
    flag("--data_format", "-df", choices=formats, default="channels_last")
    flag("--hooks", "-hk", nargs="+", type=_hook, default=["LoggingTensorHook"])
    flag("--precision_mode", choices=PRECISION_MODES, default="must_keep_origin_dtype")
    values = vars(parser.parse_args(words))
    test = values["data_dir_test"]
    values["data_dir_test"] = None if test in (None, "", "None") else Path(test)
    values["hooks"] = tuple(values["hooks"])
    return Options(**values)


if __name__ == "__main__":
    sys.exit(main())
