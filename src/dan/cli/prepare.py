"""``dan prepare``: annotated images -> one face pack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import typer

from dan.cli import options as opt
from dan.cli.common import console, counted, progress_bar, tell_left_out, tell_skipped
from dan.core.errors import ConfigError, DataError


@opt.with_options
def prepare(
    data: opt.SetsArgument,
    out: opt.PackOption = Path("faces.npz"),
    *,
    weight: opt.WeightOption = None,
    points: opt.SchemeOptions,
    face_size: opt.FaceSizeOption = 112,
    size: opt.PictureSizeOption = 240,
    all_folders: opt.AllFoldersOption = False,
    source: opt.SourceOptions,
) -> None:
    """Cut the faces out of annotated images, into one file to train from.

    Points without a position are left out of the training; a face needs a third of its points.
    """
    from dan.core.files import check_outputs
    from dan.datasets.annotated import files_of, training_part
    from dan.datasets.pack import PackOptions, join_packs, pack_faces, save_pack
    from dan.datasets.stored_pictures import PictureStore

    names, weights = _names_of(data), weight or [1.0] * len(data)
    if len(weights) != len(data):
        raise ConfigError(f"--weight: expected one for each DATA, {len(data)}, got {len(weights)}")
    if wrong := [one for one in weights if not 0 < one < math.inf]:
        raise ConfigError(f"--weight: expected numbers above 0, got {wrong[0]:g}")
    check_outputs([out], [*data, *points.files()])
    named = points.named()
    found = []
    for path in data:
        faces = source.find(path, named)
        check_outputs([out], files_of(faces, path, source.images))
        if not all_folders:
            faces = training_part(faces)
            if not faces:
                only = faces.left_out_in_words() or "test folders"
                raise DataError(f"{path}: expected training faces, found only {only}")
        found.append(faces)
    scheme = named or points.usual(found[0].n_landmarks)
    options = PackOptions(face_size=face_size, size=size)
    with PictureStore(out, options.jpeg_quality) as store:
        with progress_bar("cutting out faces", sum(map(len, found))) as on_face:
            packed = [pack_faces(faces, scheme, options, on_face, store) for faces in found]
        packs = [pack for pack, _ in packed]
        pack = join_packs(dict(zip(names, packs, strict=True)), weights)
        save_pack(out, pack)
    skipped = [file for _, files in packed for file in files]
    tell_skipped(skipped)
    left_out = [face for faces in found for face in faces.left_out]
    tell_left_out(face.reason for face in left_out)
    n_annotated = sum(map(len, found)) + len(left_out)
    megabytes = out.stat().st_size / 2**20
    console.print(
        f"{counted(len(pack.names), 'face')} of {n_annotated} annotated, "
        f"{scheme.n_landmarks} points each ({scheme.name}), {megabytes:.1f} MiB: {out}"
    )
    if skipped:
        raise typer.Exit(1)


def _names_of(data: Sequence[Path]) -> list[str]:
    """A name for each source: as much of the end of its path as tells it from the others.

    Raises:
        ConfigError: if two are the same.
    """
    paths = [path.resolve() for path in data]
    paths = [path if path.is_dir() else path.with_suffix("") for path in paths]
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise ConfigError(f"expected different DATA, got {', '.join(map(str, data))}")
