"""The command line: its sub-commands, and how errors are told. It starts in ``dan.cli.entry``."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import dan
from dan.cli import (
    align,
    data,
    demo,
    evaluate,
    export,
    import_tensorflow,
    import_theano,
    info,
    merge,
    predict,
    prepare,
    scheme,
    tour,
    track,
    train,
)
from dan.cli.common import error_console
from dan.core.errors import DanError

app = typer.Typer(
    help="Deep Alignment Network: facial landmarks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(dan.__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Deep Alignment Network: facial landmarks."""
    del version  # printed while the line was parsed


app.command("demo")(demo.demo)
app.command("align")(align.align)
app.command("track")(track.track)
app.command("export")(export.export)
app.command("tour")(tour.tour)
app.add_typer(data.app, name="data")
app.command("merge")(merge.merge)
app.command("prepare")(prepare.prepare)
app.add_typer(scheme.app, name="scheme")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("import-theano")(import_theano.import_theano)
app.command("import-tensorflow")(import_tensorflow.import_tensorflow)
app.command("info")(info.info)


UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Base of what the parser says about a command line; typer has its own click since 0.26."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can act on is told in one line."""
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be text, nor fit the terminal
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(lambda: app(words, standalone_mode=False)))


def run(command: Callable[[], object]) -> int:
    """Exit code of a command: 2 after an error of the user's or the system's, 130 after Ctrl-C."""
    try:
        code = command()
    except DanError as error:
        return _report(str(error), error.exit_code)
    except UsageError as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        return _report(" ".join(said.split()), 2)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except OSError as error:  # a full disk, a file in a folder's place
        what = error.strerror or str(error)
        return _report(f"{error.filename}: {what}" if error.filename else what, 2)
    return code if isinstance(code, int) else 0


def _report(message: str, exit_code: int) -> int:
    error_console.print(f"dan: {message}")
    return exit_code


if __name__ == "__main__":
    main()
