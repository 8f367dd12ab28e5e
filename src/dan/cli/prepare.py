"""``dan prepare``: annotated images -> one face pack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import console, progress_bar, tell_skipped
from dan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.schemes import LandmarkScheme


def prepare(
    data: Annotated[
        Path, typer.Argument(help="Folder of images with a .pts file beside each, at any depth.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The face pack to write.")] = Path(
        "faces.npz"
    ),
    *,
    scheme_name: Annotated[
        str | None,
        typer.Option(
            "--scheme", help="What the points are: a name (dan scheme list), or a scheme file."
        ),
    ] = None,
    landmarks: Annotated[
        int | None, typer.Option(help="Points a face; default those of the scheme, or 68.")
    ] = None,
    mirror_file: Annotated[
        Path | None, typer.Option(help="Flip partners of a scheme other than face68.")
    ] = None,
    face_size: Annotated[
        int, typer.Option(help="Larger side of a face in the pack, pixels.")
    ] = 112,
    size: Annotated[int, typer.Option(help="Side of a picture in the pack, pixels.")] = 240,
    all_folders: Annotated[
        bool, typer.Option(help="Take 300-W's test folders too (testset, ibug, 300W).")
    ] = False,
) -> None:
    """Cut out the faces of annotated images into one file to train from."""
    from dan.data.annotated import find_annotated, training_part
    from dan.data.pack import PackOptions, pack_faces, save_pack

    scheme = _scheme(scheme_name, landmarks, mirror_file)
    images = find_annotated(data)
    if not all_folders:
        images = training_part(images)
        if not images:
            raise DataError(f"{data}: expected training faces, found test folders only")
    options = PackOptions(face_size=face_size, size=size)
    with progress_bar("cutting out faces", len(images)) as on_face:
        pack, skipped = pack_faces(images, scheme, options, on_face)
    save_pack(out, pack, options.jpeg_quality)
    tell_skipped(skipped)
    megabytes = out.stat().st_size / 2**20
    console.print(f"{len(pack.names)} faces of {len(images)} images, {megabytes:.1f} MiB: {out}")
    if skipped:
        raise typer.Exit(1)


def _scheme(name: str | None, landmarks: int | None, mirror_file: Path | None) -> LandmarkScheme:
    """The scheme that the options name."""
    from dan.schemes import load_mirror, load_scheme, scheme_of

    if name is None:
        n_landmarks = 68 if landmarks is None else landmarks
        return load_mirror(mirror_file, n_landmarks) if mirror_file else scheme_of(n_landmarks)
    if mirror_file is not None:
        raise ConfigError("expected --scheme or --mirror-file, got both")
    scheme = load_scheme(name)
    if landmarks not in (None, scheme.n_landmarks):
        raise ConfigError(
            f"--landmarks: expected {scheme.n_landmarks}, as {scheme.name} has, got {landmarks}"
        )
    return scheme
