"""``dan prepare``: annotated images -> one face pack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import (
    FirstPixelOption,
    ImagesOption,
    KindOption,
    SourceArgument,
    console,
    progress_bar,
    tell_passed_over,
    tell_skipped,
)
from dan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.data.annotated import AnnotatedImage
    from dan.schemes import LandmarkScheme


def prepare(
    data: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The face pack to write.")] = Path(
        "faces.npz"
    ),
    *,
    kind: KindOption = None,
    images: ImagesOption = None,
    first_pixel: FirstPixelOption = None,
    scheme_name: Annotated[
        str | None,
        typer.Option(
            "--scheme", help="What the points are: a name (dan scheme list), or a scheme file."
        ),
    ] = None,
    landmarks: Annotated[
        int | None, typer.Option(help="Points a face; default those of the scheme or of DATA.")
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

    tell_passed_over([data])
    faces = find_annotated(data, kind, images=images, first_pixel=first_pixel)
    scheme = _scheme(scheme_name, landmarks, mirror_file, faces)
    if not all_folders:
        faces = training_part(faces)
        if not faces:
            raise DataError(f"{data}: expected training faces, found test folders only")
    options = PackOptions(face_size=face_size, size=size)
    with progress_bar("cutting out faces", len(faces)) as on_face:
        pack, skipped = pack_faces(faces, scheme, options, on_face)
    save_pack(out, pack, options.jpeg_quality)
    tell_skipped(skipped)
    megabytes = out.stat().st_size / 2**20
    console.print(f"{len(pack.names)} faces of {len(faces)} annotated, {megabytes:.1f} MiB: {out}")
    if skipped:
        raise typer.Exit(1)


def _scheme(
    name: str | None,
    landmarks: int | None,
    mirror_file: Path | None,
    faces: Sequence[AnnotatedImage],
) -> LandmarkScheme:
    """The scheme that the options name, or what so many points as the faces have usually are."""
    from dan.schemes import load_mirror, load_scheme, scheme_of

    if name is None:
        n_landmarks = landmarks or (68 if faces[0].points is None else len(faces[0].points))
        return load_mirror(mirror_file, n_landmarks) if mirror_file else scheme_of(n_landmarks)
    if mirror_file is not None:
        raise ConfigError("expected --scheme or --mirror-file, got both")
    scheme = load_scheme(name)
    if landmarks not in (None, scheme.n_landmarks):
        raise ConfigError(
            f"--landmarks: expected {scheme.n_landmarks}, as {scheme.name} has, got {landmarks}"
        )
    return scheme
