"""What the two old scripts share: parsing that ends in one clear line, and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from dan.core.errors import ConfigError, DanError

TRUE_WORDS = frozenset({"true", "1", "yes"})
FALSE_WORDS = frozenset({"false", "0", "no"})


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line each."""

    def __init__(self, script: str, description: str) -> None:
        super().__init__(prog=f"python {script}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise ConfigError(message)


def boolean(text: str) -> bool:
    """The value of ``--flag=True`` in any of its old spellings."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")


def whole_number(least: int) -> Callable[[str], int]:
    """Parser of a whole number that is at least ``least``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text!r}"
            )
        return number

    return parse


def run_legacy(script: str, command: Callable[[], int]) -> int:
    """Exit code of an old script: 2 after an error of the user's, told in one line."""
    try:
        return command()
    except DanError as error:
        print(f"{script}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{script}: stopped", file=sys.stderr)
        return 130
