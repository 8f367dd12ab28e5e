"""``dan prepare``: annotated images -> one face pack."""

from __future__ import annotations

from pathlib import Path

import typer

from dan.cli import options as opt
from dan.cli.common import console, counted, progress_bar, tell_left_out, tell_skipped
from dan.core.errors import DataError


@opt.with_options
def prepare(
    data: opt.SourceArgument,
    out: opt.PackOption = Path("faces.npz"),
    *,
    points: opt.SchemeOptions,
    face_size: opt.FaceSizeOption = 112,
    size: opt.PictureSizeOption = 240,
    all_folders: opt.AllFoldersOption = False,
    source: opt.SourceOptions,
) -> None:
    """Cut the faces out of annotated images, into one file to train from."""
    from dan.core.files import check_outputs
    from dan.datasets.annotated import files_of, training_part
    from dan.datasets.pack import PackOptions, pack_faces, save_pack

    check_outputs([out], [data, *points.files()])
    named = points.named()
    faces = source.find(data, named)
    check_outputs([out], files_of(faces, data, source.images))
    if not all_folders:
        faces = training_part(faces)
        if not faces:
            only = faces.left_out_in_words() or "test folders"
            raise DataError(f"{data}: expected training faces, found only {only}")
    scheme = named or points.usual(faces.n_landmarks)
    options = PackOptions(face_size=face_size, size=size)
    with progress_bar("cutting out faces", len(faces)) as on_face:
        pack, skipped = pack_faces(faces, scheme, options, on_face)
    save_pack(out, pack, options.jpeg_quality)
    tell_skipped(skipped)
    tell_left_out(face.reason for face in faces.left_out)
    n_annotated = len(faces) + len(faces.left_out)
    megabytes = out.stat().st_size / 2**20
    console.print(
        f"{counted(len(pack.names), 'face')} of {n_annotated} annotated, "
        f"{scheme.n_landmarks} points each ({scheme.name}), {megabytes:.1f} MiB: {out}"
    )
    if skipped:
        raise typer.Exit(1)
