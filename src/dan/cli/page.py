"""``dan page``: the page that finds landmarks in a browser, as a folder."""

from __future__ import annotations

from dan.cli.common import error_console
from dan.cli.options import ModelOption, NewFolderOption
from dan.inference.defaults import DEFAULT_MODEL


def page(out: NewFolderOption, *, model: ModelOption = DEFAULT_MODEL) -> None:
    """Write a page that finds landmarks in a browser, for any web server; nothing is uploaded."""
    from dan.service.page.files import write_page

    written = write_page(out, model)
    size_mb = sum(path.stat().st_size for path in written) / 1e6
    error_console.print(f"written: {out}, {len(written)} files, {size_mb:.1f} MB")
