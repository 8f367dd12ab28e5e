"""``dan info``: what a model is, what it costs, how it was made and what it is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dan.cli.common import console, need_torch
from dan.cli.options import JsonOption
from dan.core.errors import ConfigError
from dan.inference.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from dan.model import DANConfig


def info(
    model: Annotated[
        str,
        typer.Argument(
            help="A bundle or the name of one in the package, a .safetensors file, or 'paper', the "
            "network of the paper."
        ),
    ] = DEFAULT_MODEL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print what a model is: its card, or parameters and multiplications of each stage."""
    if model == "paper":
        need_torch()
        from dan.model import paper

        _tell_network(model, paper(), {}, as_json=as_json)
    elif model.endswith(".safetensors"):
        need_torch()
        from dan.model import load_model

        loaded = load_model(model)
        _tell_network(model, loaded.model.config, loaded.training, as_json=as_json)
    else:
        _tell_bundle(model, as_json=as_json)


def _tell_network(
    name: str, config: DANConfig, training: Mapping[str, object], *, as_json: bool
) -> None:
    from dan.model import cost_of

    cost = cost_of(config)
    if as_json:
        stages = [
            {"parameters": parameters, "multiplications": multiplications}
            for parameters, multiplications in zip(
                cost.parameters, cost.multiplications, strict=True
            )
        ]
        print(
            json.dumps({"config": config.to_dict(), "stages": stages, "training": dict(training)})
        )
        return
    settings = ", ".join(f"{name} {value}" for name, value in config.to_dict().items())
    console.print(f"{name}: {settings}")
    table = Table("stage", "parameters", "multiplications a face")
    rows = [*zip(cost.parameters, cost.multiplications, strict=True)]
    for number, (parameters, multiplications) in enumerate(rows, start=1):
        table.add_row(str(number), f"{parameters:,}", f"{multiplications:,}")
    table.add_section()
    table.add_row("all", f"{sum(cost.parameters):,}", f"{sum(cost.multiplications):,}")
    console.print(table)
    for entry, value in training.items():
        console.print(f"{entry}: {json.dumps(value)}")


def _tell_bundle(model: str, *, as_json: bool) -> None:
    from dan.core.errors import BundleError
    from dan.evaluation.model_card import render_card
    from dan.inference.bundle import bundle_path, load_bundle

    try:
        path = bundle_path(model)
    except BundleError as error:
        raise ConfigError(f"{error} or paper") from error
    bundle = load_bundle(path)
    if as_json:
        print(json.dumps(bundle.metadata, indent=1))
        return
    card = render_card(bundle, path.stat().st_size)
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(card), soft_wrap=False)
    else:
        print(card, end="")
