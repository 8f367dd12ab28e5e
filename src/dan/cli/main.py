"""Entry point of ``dan``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

import dan
from dan.cli import (
    align,
    demo,
    evaluate,
    export,
    import_tensorflow,
    import_theano,
    info,
    merge,
    predict,
    prepare,
    tour,
    track,
    train,
)
from dan.cli.common import error_console
from dan.errors import DanError

app = typer.Typer(
    help="Deep Alignment Network: facial landmarks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Deep Alignment Network: facial landmarks."""
    if version:
        print(dan.__version__)
        raise typer.Exit


app.command("demo")(demo.demo)
app.command("align")(align.align)
app.command("track")(track.track)
app.command("export")(export.export)
app.command("tour")(tour.tour)
app.command("merge")(merge.merge)
app.command("prepare")(prepare.prepare)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("import-theano")(import_theano.import_theano)
app.command("import-tensorflow")(import_tensorflow.import_tensorflow)
app.command("info")(info.info)


def main() -> None:
    """Run the command line; what the user can act on is told in one line."""
    sys.exit(run(app))


def run(command: Callable[[], object]) -> int:
    """Exit code of a command: 2 after an error of the user's, 130 after Ctrl-C in a training."""
    try:
        command()
    except DanError as error:
        error_console.print(f"dan: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    main()
