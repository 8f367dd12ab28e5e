"""The files of the page, for a server of any kind or for a folder."""

from __future__ import annotations

import json
from pathlib import Path

import dan
from dan.core.files import building_folder, check_new_folder, make_folder, write_bytes
from dan.core.types import FilePath
from dan.inference.bundle import bundle_path, load_bundle, models_folder
from dan.inference.defaults import DEFAULT_MODEL
from dan.service.page.facts import page_facts

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; img-src 'self' blob:; style-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""What the page needs, and no more: nothing may be loaded from or sent to anywhere else.

It also stands in ``index.html``, for servers that send no headers.
"""

HEADERS = {
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers to send with each file. The two of COOP and COEP isolate the page from others, without
which browsers give it one thread only."""

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gz": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".onnx": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""By the suffix of each file. Browsers refuse scripts of another type, and what the system knows of
types may be wrong."""


def page_files(model: FilePath = DEFAULT_MODEL, *, has_server: bool = False) -> dict[str, bytes]:
    """All files of the page by their path in it, such as ``index.html`` and ``js/main.js``.

    Args:
        model: a bundle's path, or the name of one that comes with the package.
        has_server: whether what serves the page also answers ``v1/align``; then the page offers to
            compute there.

    Raises:
        BundleError: if the model is missing or damaged.
    """
    bundle, folder = load_bundle(bundle_path(model)), Path(__file__).resolve().parent / "static"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    facts = json.dumps(page_facts(bundle, has_server=has_server))
    return files | {
        "facts.json": facts.encode(),
        "finder.onnx": (models_folder() / "finder.onnx").read_bytes(),
        "model.onnx": bundle.graph,
        "portrait.jpg": (Path(dan.__file__).parent / "cli" / "portrait.jpg").read_bytes(),
    }


def write_page(folder: FilePath, model: FilePath = DEFAULT_MODEL) -> list[Path]:
    """Write the page into a new folder, which any web server can serve as it is.

    Returns:
        The files.

    Raises:
        BundleError: see :func:`page_files`.
        DataError: naming the folder, if it is not new or empty, or cannot be written.
    """
    check_new_folder(folder)
    files = page_files(model)
    with building_folder(folder) as building:
        for name, data in files.items():
            make_folder((building / name).parent)
            write_bytes(building / name, data)
    return [Path(folder) / name for name in files]
