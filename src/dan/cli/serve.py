"""``dan serve``: landmarks over HTTP."""

from __future__ import annotations

from dan.cli import options as opt
from dan.cli.common import error_console
from dan.core.errors import ConfigError
from dan.service.settings import ServiceSettings


@opt.with_options
def serve(*, settings: ServiceSettings) -> None:
    """Find landmarks for programs and browsers that send pictures; nothing is stored.

    SIGTERM and Ctrl-C finish what was begun. With --workers, SIGHUP replaces one process after the
    other without losing a request.
    """
    try:
        from dan.service.starting import serve as run
    except ImportError as error:
        raise ConfigError(
            f"this command needs more packages ({error.name} is not installed): "
            "pip install 'deep-alignment-network[serve]'"
        ) from error
    run(settings, lambda address: error_console.print(f"listening on {address}"))
