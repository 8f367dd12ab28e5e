"""``dan prepare``: annotated images -> one face pack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import console, progress_bar, tell_left_out, tell_skipped
from dan.cli.options import SourceArgument, SourceOptions, with_source_options
from dan.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.datasets.annotated import AnnotatedFaces
    from dan.schemes import LandmarkScheme


@with_source_options
def prepare(
    data: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The face pack to write.")] = Path(
        "faces.npz"
    ),
    *,
    source: SourceOptions,
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
    from dan.core.files import check_outputs
    from dan.datasets.annotated import files_of, training_part
    from dan.datasets.pack import PackOptions, pack_faces, save_pack

    settings = [path for path in (scheme_name, mirror_file) if path is not None]
    check_outputs([out], [data, *settings])
    named = _named_scheme(scheme_name, landmarks, mirror_file)
    faces = source.find(data, named)
    check_outputs([out], files_of(faces, data, source.images))
    if not all_folders:
        faces = training_part(faces)
        if not faces:
            only = faces.left_out_in_words() or "test folders"
            raise DataError(f"{data}: expected training faces, found only {only}")
    scheme = named or _usual_scheme(landmarks, mirror_file, faces)
    options = PackOptions(face_size=face_size, size=size)
    with progress_bar("cutting out faces", len(faces)) as on_face:
        pack, skipped = pack_faces(faces, scheme, options, on_face)
    save_pack(out, pack, options.jpeg_quality)
    tell_skipped(skipped)
    tell_left_out(face.reason for face in faces.left_out)
    n_annotated = len(faces) + len(faces.left_out)
    megabytes = out.stat().st_size / 2**20
    console.print(
        f"{len(pack.names)} faces of {n_annotated} annotated, {scheme.n_landmarks} points each "
        f"({scheme.name}), {megabytes:.1f} MiB: {out}"
    )
    if skipped:
        raise typer.Exit(1)


def _named_scheme(
    name: str | None, landmarks: int | None, mirror_file: Path | None
) -> LandmarkScheme | None:
    from dan.schemes import load_scheme

    if name is None:
        return None
    if mirror_file is not None:
        raise ConfigError("expected --scheme or --mirror-file, got both")
    scheme = load_scheme(name)
    if landmarks not in (None, scheme.n_landmarks):
        raise ConfigError(
            f"--landmarks: expected {scheme.n_landmarks}, as {scheme.name} has, got {landmarks}"
        )
    return scheme


def _usual_scheme(
    landmarks: int | None, mirror_file: Path | None, faces: AnnotatedFaces
) -> LandmarkScheme:
    """What so many points as most faces have usually are."""
    from dan.schemes import load_mirror, scheme_of

    n_landmarks = landmarks or faces.n_landmarks or 1  # 0: all damaged; packing them tells
    return load_mirror(mirror_file, n_landmarks) if mirror_file else scheme_of(n_landmarks)
