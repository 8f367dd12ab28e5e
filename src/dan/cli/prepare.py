"""``dan prepare``: annotated images -> one face pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import (
    FirstPixelOption,
    ImagesOption,
    KindOption,
    SourceArgument,
    console,
    progress_bar,
    tell_skipped,
)


def prepare(
    data: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The face pack to write.")] = Path(
        "faces.npz"
    ),
    *,
    kind: KindOption = None,
    images: ImagesOption = None,
    first_pixel: FirstPixelOption = None,
    landmarks: Annotated[int, typer.Option(help="Points a face.")] = 68,
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
    from dan.errors import DataError
    from dan.schemes import load_mirror, scheme_of

    scheme = load_mirror(mirror_file, landmarks) if mirror_file else scheme_of(landmarks)
    faces = find_annotated(data, kind, images=images, first_pixel=first_pixel)
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
