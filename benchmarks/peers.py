"""Other packages' landmarks beside ours: the same faces, one core, one run.

    python benchmarks/peers.py DATA [--faces 330] [--timed 60]

DATA is a folder in the 300-W layout. The errors are those of its test folders' faces; what a peer
needs to be fitted (its boxes, the offsets of its points) is fitted on training faces. A peer whose
package is missing is named and left out:

    pip install dlib-bin face_recognition_models     # dlib: code, and the 68-point model's file
    pip install "mediapipe<0.10.22"                  # later ones come without models

- boxes: ``truth``: from the box of the true landmarks, one face; ``own``: from the picture alone,
  by the package's own detector. A face that it misses counts as a failure, not in the error.
- error: mean distance in percent of that of the outer eye corners.
- ms: processor time of the process, all its threads together, which is bound to one core: what an
  idle core would take. Medians over the timed faces; each face goes through all peers in turn, and
  the best of three times counts, so that other work in the machine hits all alike.
  ``landmarks``: from picture and box to points; ``with detector``: from the picture to points.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "3")  # MediaPipe's messages

import numpy as np

from dan.cli.main import run
from dan.core.images import read_rgb
from dan.core.types import Box, ColourImage, FloatArray
from dan.datasets.annotated import AnnotatedImage, find_annotated, test_part, training_part
from dan.datasets.formats import load_pts
from dan.evaluation.metrics import Score, normalised_errors
from dan.geometry import box_centre, box_of_points, box_overlap, box_size_wh, estimate_similarity
from dan.inference.aligner import FaceAligner
from dan.inference.onnx_model import OnnxModel
from dan.schemes import FACE68, MEDIAPIPE468, convert_points

LEAST_OVERLAP = 0.2
ROUNDS = 3
FITTED_FACES = 120

Step = Callable[[], FloatArray]


@dataclass(frozen=True)
class Face:
    """A picture and its (68, 2) true landmarks, pixels."""

    picture: ColourImage
    truth: FloatArray

    @property
    def box(self) -> Box:
        """(4,) of the landmarks, ``xyxy``, pixels."""
        return box_of_points(self.truth)


@dataclass(frozen=True)
class Peer:
    """A way to 68 points.

    Attributes:
        name: in the table.
        remark: licence, and what else one must know.
        from_box: (68, 2) points of the face in a box of the landmarks; None: not offered.
        from_picture: (F, 68, 2) points of all faces in a picture.
        landmarks: what alone is timed as the landmark step; None: ``from_box``.
    """

    name: str
    remark: str
    from_box: Callable[[ColourImage, Box], FloatArray] | None
    from_picture: Callable[[ColourImage], FloatArray]
    landmarks: Callable[[ColourImage, Box], object] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path, help="folder in the 300-W layout")
    parser.add_argument("--faces", type=int, help="of the test folders; default all")
    parser.add_argument("--timed", type=int, default=60, help="faces that are timed")
    flags = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    images = find_annotated(flags.data)
    if images.left_out:
        print("left out:", images.left_out_in_words())
    train = training_part(images)
    training = load(train[:: max(1, len(train) // FITTED_FACES)])
    peers = [ours("dan68"), ours("dan68-fast")]
    for package, hint, build in (
        ("dlib", "dlib-bin face_recognition_models", dlib_peers),
        ("mediapipe", '"mediapipe<0.10.22"', mediapipe_peers),
    ):
        if find_spec(package) is None:
            print(f"{package}: not installed: pip install {hint}", flush=True)
        else:
            peers += build(training)
    print("OpenCV's LBF: left out, as no package carries its weights\n", flush=True)
    faces = load(test_part(images)[: flags.faces])
    landmark_ms, detected_ms = timed(peers, faces[:: max(1, len(faces) // flags.timed)])
    report(peers, faces, landmark_ms, detected_ms)


def load(images: Sequence[AnnotatedImage]) -> list[Face]:
    return [Face(read_rgb(image.image_path), load_pts(image.points_path)) for image in images]


# --------------------------------------------------------------------------------------- the peers


def ours(model: str) -> Peer:
    aligner = FaceAligner(OnnxModel(model, threads=1))
    return Peer(
        model,
        "Apache 2.0; model trained on 300-W: research only",
        lambda picture, box: aligner(picture, boxes=[box]).points_xy[0],
        lambda picture: aligner(picture).points_xy,
    )


def dlib_peers(training: Sequence[Face]) -> list[Peer]:
    import dlib

    spec = find_spec("face_recognition_models")  # importing it needs an old setuptools
    if spec is None or not spec.submodule_search_locations:
        print("dlib: no model file: pip install face_recognition_models", flush=True)
        return []
    models = Path(spec.submodule_search_locations[0]) / "models"
    predict = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))
    detect = dlib.get_frontal_face_detector()

    def points_in(picture: ColourImage, rectangle: object) -> FloatArray:
        parts = predict(picture, rectangle).parts()
        return np.array([[point.x, point.y] for point in parts], dtype=np.float64)

    def in_square(picture: ColourImage, box: Box) -> FloatArray:
        shift_x, shift_y, side = box_size_wh(box) @ square_of_size
        centre = box_centre(box) + np.array([shift_x, shift_y])
        corners = np.rint([centre - side / 2, centre + side / 2]).astype(int)
        return points_in(picture, dlib.rectangle(*corners.ravel().tolist()))

    sizes, squares = [], []  # how its detector's squares lie about the landmarks' boxes
    for face in training:
        found = [np.array([r.left(), r.top(), r.right(), r.bottom()]) for r in detect(face.picture)]
        square = max(found, key=lambda one: box_overlap(one, face.box), default=None)
        if square is not None and box_overlap(square, face.box) > LEAST_OVERLAP:
            shift_xy = box_centre(square) - box_centre(face.box)
            sizes.append(box_size_wh(face.box))
            squares.append([*shift_xy, box_size_wh(square).mean()])
    square_of_size = np.linalg.lstsq(np.array(sizes), np.array(squares), rcond=None)[0]
    at_training = [in_square(face.picture, face.box) for face in training]
    truth = np.stack([face.truth for face in training])
    error = normalised_errors(np.stack(at_training), truth, FACE68, "inter_ocular").mean()
    print(f"dlib: its error on training faces, fitted boxes, is {100 * error:.2f} %")

    def from_picture(picture: ColourImage) -> FloatArray:
        found = [points_in(picture, rectangle) for rectangle in detect(picture)]
        return np.array(found).reshape(-1, 68, 2)

    remark = "Boost; model: not for commercial use, trained on these test faces too: no fair error"
    return [
        Peer(
            "dlib 68 (ERT)",
            remark,
            in_square,
            from_picture,
        )
    ]


def mediapipe_peers(training: Sequence[Face]) -> list[Peer]:
    import mediapipe

    if not hasattr(mediapipe, "solutions"):
        print('mediapipe: this version has no models in it: pip install "mediapipe<0.10.22"')
        return []
    peers = []
    for name, refine in (("face mesh", False), ("face mesh, attention", True)):
        found_mesh = mediapipe.solutions.face_mesh.FaceMesh
        alone = found_mesh(static_image_mode=True, max_num_faces=3, refine_landmarks=refine)
        following = found_mesh(static_image_mode=False, max_num_faces=1, refine_landmarks=refine)

        def raw(picture: ColourImage, mesh: object = alone) -> FloatArray:
            height, width = picture.shape[:2]
            faces = mesh.process(picture).multi_face_landmarks or []
            # With attention there are 10 more, of the irises.
            shares = [
                [[point.x, point.y] for point in face.landmark[: MEDIAPIPE468.n_landmarks]]
                for face in faces
            ]
            mesh_points = np.array(shares).reshape(-1, MEDIAPIPE468.n_landmarks, 2)
            found = convert_points(mesh_points, MEDIAPIPE468, FACE68)
            return np.asarray(found * (width, height) - 0.5)

        offsets, frame = fitted_offsets(raw, training)

        def corrected(
            picture: ColourImage,
            raw: Callable[..., FloatArray] = raw,
            offsets: FloatArray = offsets,
            frame: FloatArray = frame,
        ) -> FloatArray:
            found = raw(picture)
            for place, points in enumerate(found):
                frame_from_image = estimate_similarity(points, frame)
                moved = frame_from_image.apply(points) + offsets
                found[place] = frame_from_image.inverse().apply(moved)
            return found

        def landmarks(
            picture: ColourImage, box: Box, raw: Callable[..., FloatArray] = raw,
            following: object = following,
        ) -> object:  # fmt: skip
            return raw(picture, following)  # it follows the face of the call before: no detection

        remark = "Apache 2.0; other points, mapped, mean offsets fitted on training faces"
        peers.append(Peer(f"MediaPipe {name}", remark, None, corrected, landmarks))
    return peers


def fitted_offsets(
    raw: Callable[[ColourImage], FloatArray], training: Sequence[Face]
) -> tuple[FloatArray, FloatArray]:
    """(68, 2) mean of truth minus found, and (68, 2) the frame that it holds in."""
    frame = training[0].truth
    differences = []
    for face in training:
        found = nearest(raw(face.picture), face.box)
        if found is not None:
            frame_from_image = estimate_similarity(found, frame)
            differences.append(frame_from_image.apply(face.truth) - frame_from_image.apply(found))
    return np.median(differences, axis=0), frame


# -------------------------------------------------------------------------------------- the figures


def nearest(found: FloatArray, box: Box) -> FloatArray | None:
    """The points whose box overlaps most with this one; None: no face is there."""
    overlaps = [box_overlap(box_of_points(points), box) for points in found]
    if not overlaps or max(overlaps) < LEAST_OVERLAP:
        return None
    return found[int(np.argmax(overlaps))]


def timed(peers: Sequence[Peer], faces: Sequence[Face]) -> tuple[list[float], list[float]]:
    """Milliseconds of each peer: landmarks alone, and with the detector."""
    best = np.full((len(faces), len(peers), 2), np.inf)
    for place, face in enumerate(faces):
        for turn in range(ROUNDS + 1):
            for column, peer in enumerate(peers):
                step = peer.landmarks or peer.from_box
                started = time.process_time()
                step(face.picture, face.box)
                between = time.process_time()
                peer.from_picture(face.picture)
                ended = time.process_time()
                if turn:  # the first one warms up
                    took = between - started, ended - between
                    best[place, column] = np.minimum(best[place, column], took)
    landmarks, detected = 1e3 * np.median(best, axis=0).T
    return landmarks.tolist(), detected.tolist()


def report(
    peers: Sequence[Peer],
    faces: Sequence[Face],
    landmark_ms: Sequence[float],
    detected_ms: Sequence[float],
) -> None:
    print("| | boxes | missed | error % | AUC@.08 | FR@.08 % | ms landmarks | ms with detector | |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for peer, alone, whole in zip(peers, landmark_ms, detected_ms, strict=True):
        if peer.from_box is not None:
            found = [peer.from_box(face.picture, face.box) for face in faces]
            line(peer, "truth", found, faces, f"{alone:.1f} | ")
        found = [nearest(peer.from_picture(face.picture), face.box) for face in faces]
        line(peer, "own", found, faces, f"{alone:.1f} | {whole:.1f}")


def line(
    peer: Peer, boxes: str, found: Sequence[FloatArray | None], faces: Sequence[Face], ms: str
) -> None:
    errors = np.full(len(faces), np.inf)
    for place, (points, face) in enumerate(zip(found, faces, strict=True)):
        if points is not None:
            errors[place] = normalised_errors(
                points[None], face.truth[None], FACE68, "inter_ocular"
            )[0]
    score = Score.of(
        errors, subset="test", scheme=FACE68.name, box_source=boxes, normaliser="inter_ocular"
    )
    print(
        f"| {peer.name} | {boxes} | {score.n_missed} | {score.nme_percent:.2f} | {score.auc:.3f} "
        f"| {score.failure_percent:.2f} | {ms} | {peer.remark} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(run(main))
