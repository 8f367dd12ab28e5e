"""A training of the face finder: rounds of scenes, each harder than the last by what it mistook."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from msgspec.structs import asdict as tables_of

from dan.core.files import make_folder
from dan.core.types import FilePath
from dan.model.finder import FaceFinderNetwork
from dan.model.weights import load_header, save_finder
from dan.training.devices import build_accelerator
from dan.training.finder.batches import Batch, stack_scenes
from dan.training.finder.material import Material
from dan.training.finder.recipe import FinderRecipe
from dan.training.finder.rounds import HELD_OUT, WEIGHTS, Round, train_round
from dan.training.finder.scenes import Composer
from dan.training.finder.validation import score_scenes
from dan.training.log import TrainingLog, log_of_process
from dan.training.phases import derive_seed
from dan.training.pipeline import check_batch_size
from dan.training.processes import from_main
from dan.training.recipe import covered_by_fingerprint
from dan.training.run_folder import PhaseFolder, check_fingerprint, write_json

HELD_OUT_SCENES = 384


def train_finder(
    material: Material,
    recipe: FinderRecipe,
    folder: FilePath,
    *,
    device: str = "auto",
    log: TrainingLog | None = None,
) -> Path:
    """Train the rounds of a recipe; an interrupted run in the same folder goes on.

    Args:
        material: pictures with faces and without; the recipe says which are held out.
        recipe: settings.
        folder: where everything is written.
        device: see :func:`dan.training.devices.build_accelerator`.
        log: told of the progress; None: nothing is shown.

    Returns:
        The finished model's file, for :func:`dan.model.weights.load_finder`.

    Raises:
        ConfigError: if a setting does not fit the machine.
        CheckpointError: if the folder holds a run with another recipe or other pictures.
        NonFiniteLossError: if the training diverges.
        InterruptedTrainingError: on Ctrl-C, after saving.
    """
    folder, settings = Path(folder), recipe.training
    accelerator = build_accelerator(device, settings.precision)
    check_batch_size("training.batch_size", settings.batch_size, accelerator)
    log = log_of_process(log or TrainingLog(), accelerator)
    kept, held_out = material.split(settings.validation_every)
    log.say(
        f"{len(kept.faces)} pictures with faces, {len(held_out.faces)} held out; "
        f"{len(kept.backgrounds)} without, {len(held_out.backgrounds)} held out; "
        f"{accelerator.device}, {accelerator.mixed_precision}"
    )
    rounds = _rounds_of(recipe, kept, folder, _fingerprint(recipe, material))
    from_main(accelerator, lambda: _check_folder(rounds))
    if accelerator.is_main_process:
        make_folder(folder)
        write_json(folder / "recipe.json", recipe.to_dict())
    torch.manual_seed(derive_seed(settings.seed, WEIGHTS))
    network = FaceFinderNetwork(recipe.network).to(accelerator.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scenes_to_score = _scenes_to_score(held_out, recipe)
    figures = None
    for round_ in rounds:
        train_round(round_, network, accelerator=accelerator, log=log)
        figures = score_scenes(network, scenes_to_score)
        log.say(f"{round_.folder.path.name}: {figures}")
    path = folder / "model.safetensors"
    if accelerator.is_main_process:
        made = {
            "recipe": recipe.to_dict(),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "held_out": None if figures is None else asdict(figures),
        }
        save_finder(path, network, made)
    accelerator.wait_for_everyone()
    return path


def _rounds_of(
    recipe: FinderRecipe, material: Material, folder: Path, fingerprint: str
) -> list[Round]:
    folders = [folder / f"round{number + 1}" for number in range(recipe.training.rounds)]
    return [
        Round(number, recipe, material, PhaseFolder(own), fingerprint)
        for number, own in enumerate(folders)
    ]


def _check_folder(rounds: Sequence[Round]) -> None:
    """Refuse, before anything is written, to go on with what another recipe or pictures made."""
    for round_ in rounds:
        path = round_.folder.resume
        if path.is_file():
            check_fingerprint(path, load_header(path), round_.fingerprint)


def _scenes_to_score(held_out: Material, recipe: FinderRecipe) -> list[Batch]:
    composer, settings = Composer(held_out, recipe.scenes), recipe.training
    scenes = [
        composer.compose(settings.seed, HELD_OUT, number) for number in range(HELD_OUT_SCENES)
    ]
    size = settings.batch_size
    return [stack_scenes(scenes[start : start + size]) for start in range(0, len(scenes), size)]


def _fingerprint(recipe: FinderRecipe, material: Material) -> str:
    """Changes with the settings and with what is trained on."""
    tables = {name: covered_by_fingerprint(table) for name, table in tables_of(recipe).items()}
    parts = json.dumps([tables, material.identity], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()
