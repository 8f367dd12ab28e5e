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
    blur,
    bulk,
    chips,
    data,
    demo,
    evaluate,
    export,
    import_weights,
    info,
    measure,
    merge,
    page,
    predict,
    prepare,
    scheme,
    serve,
    tour,
    track,
    train,
)
from dan.cli.application import UsageError, add_commands, group, usage_message
from dan.cli.common import error_console
from dan.core.errors import DanError

app = group(
    "Deep Alignment Network: facial landmarks.",
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


PANELS: dict[str, dict[str, Callable[..., None] | typer.Typer]] = {
    "Find landmarks": {
        "demo": demo.demo,
        "align": align.align,
        "bulk": bulk.app,
        "track": track.track,
        "measure": measure.measure,
        "chips": chips.chips,
        "blur": blur.blur,
        "page": page.page,
        "serve": serve.serve,
        "info": info.info,
    },
    "Data": {"prepare": prepare.prepare, "data": data.app, "scheme": scheme.app},
    "Train and score": {
        "tour": tour.tour,
        "train": train.train,
        "evaluate": evaluate.evaluate,
        "predict": predict.predict,
        "export": export.export,
    },
    "Older programs": {
        "merge": merge.merge,
        "import-theano": import_weights.import_theano,
        "import-tensorflow": import_weights.import_tensorflow,
    },
}
"""The commands, by the title of their box in the help, in the order in which people need them."""

for _panel, _commands in PANELS.items():
    add_commands(app, _commands, _panel)


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
        return _report(usage_message(error), 2)
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
