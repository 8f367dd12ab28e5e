"""``dan info``: what a network costs and what a model file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from dan.cli.common import JsonOption, console, need_torch
from dan.errors import ConfigError

PRESETS = ("paper", "full", "half", "quarter")


def info(
    model: Annotated[
        str, typer.Argument(help=f"A model file, or a preset: {', '.join(PRESETS)}.")
    ] = "paper",
    *,
    as_json: JsonOption = False,
) -> None:
    """Print parameters and multiplications of each stage, and how a model was made."""
    need_torch()
    from dan import model as models

    training: dict[str, object] = {}
    if model in PRESETS:
        config = getattr(models, model)()
    elif Path(model).exists():
        loaded = models.load_model(model)
        config, training = loaded.model.config, dict(loaded.training)
    else:
        raise ConfigError(f"expected a model file or one of {', '.join(PRESETS)}, got {model}")
    cost = models.cost_of(config)
    if as_json:
        stages = [
            {"parameters": parameters, "multiplications": multiplications}
            for parameters, multiplications in zip(
                cost.parameters, cost.multiplications, strict=True
            )
        ]
        print(json.dumps({"config": config.to_dict(), "stages": stages, "training": training}))
        return
    settings = ", ".join(f"{name} {value}" for name, value in config.to_dict().items())
    console.print(f"{model}: {settings}")
    table = Table("stage", "parameters", "multiplications a face")
    rows = [*zip(cost.parameters, cost.multiplications, strict=True)]
    for number, (parameters, multiplications) in enumerate(rows, start=1):
        table.add_row(str(number), f"{parameters:,}", f"{multiplications:,}")
    table.add_section()
    table.add_row("all", f"{sum(cost.parameters):,}", f"{sum(cost.multiplications):,}")
    console.print(table)
    for name, value in training.items():
        console.print(f"{name}: {json.dumps(value)}")
