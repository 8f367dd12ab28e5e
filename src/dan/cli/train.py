"""``dan train``: a face pack and a recipe -> a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import DeviceOption, console, need_torch


def train(
    pack: Annotated[Path, typer.Argument(help="Face pack made by 'dan prepare'.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Settings over the recipe's, such as training.batch_size=32."),
    ] = None,
    *,
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="TOML file of settings.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Run folder; an unfinished run goes on.")
    ],
    device: DeviceOption = "auto",
) -> None:
    """Train a network, stage after stage."""
    need_torch()
    from dan.data.pack import load_pack
    from dan.training.config import load_recipe
    from dan.training.train import train as run_training

    settings = load_recipe(recipe, overrides or [])
    trained = run_training(load_pack(pack), settings, out, device)
    console.print(f"model: {trained.path}")
    if trained.curves is not None:
        console.print(f"curves: {trained.curves}")
