"""How commands are put together, and how what the parser says of a command line is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Base of what the parser says about a command line; typer has its own click since 0.26."""

_EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}
"""What was expected, by pydantic's name of the error."""


class _PlainFlags:
    """Flags take no value, so the help names no type for them."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - click's types, which typer may bring
        params = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class Command(_PlainFlags, TyperCommand):
    """A command of ours."""


class Group(_PlainFlags, TyperGroup):
    """A group of commands of ours."""


def group(help_text: str, **options: Any) -> typer.Typer:  # noqa: ANN401 - those of Typer
    """A group that prints its help when no command is named."""
    return typer.Typer(cls=Group, help=help_text, no_args_is_help=True, **options)


def add_commands(
    app: typer.Typer,
    commands: Mapping[str, Callable[..., None] | typer.Typer],
    panel: str | None = None,
) -> None:
    """Add commands, and groups of commands, by name.

    Args:
        panel: title of the box in the help that lists them.
    """
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, cls=Command, rich_help_panel=panel)(command)


def usage_message(error: Exception) -> str:
    """What is wrong with a command line, in one line: ``--passes: expected at least 1, got 0``."""
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    param, errors = getattr(error, "param", None), getattr(error.__cause__, "errors", None)
    if param is None or errors is None:
        return " ".join(said.split())
    detail = errors()[0]
    choices = re.findall(r"'([^']*)'", detail["msg"].partition(" is not one of ")[2])
    known = _EXPECTED.get(detail["type"])
    if choices:
        expected = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    elif known is not None:
        expected = known.format(**detail.get("ctx", {}))
    else:
        return " ".join(said.split())
    return f"{max(param.opts, key=len)}: expected {expected}, got {detail['input']}"
