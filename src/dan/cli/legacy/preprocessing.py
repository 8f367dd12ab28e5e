"""``preprocessing.py``: a folder of images with landmarks -> a folder of samples."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dan.cli.common import progress_bar, tell_passed_over
from dan.cli.legacy.arguments import Parser, boolean, run_legacy, whole_number
from dan.cli.legacy.samples import SampleOptions, prepare_samples
from dan.core.image_files import list_images
from dan.schemes import load_mirror

LEAST_SIZE = 8
LEAST_TRAINABLE_SIZE, SIZE_STEP = 32, 16
"""Of the network's pictures (four poolings); other tools may want samples of other sizes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; the exit code: 1 if an image was skipped, 2 after a wrong flag."""
    return run_legacy("preprocessing.py", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    options, skip_bad = _parse(arguments)
    if not trainable_size(options.img_size):
        print(
            f"preprocessing.py: --img_size={options.img_size}: DAN_V2.py will refuse these "
            f"samples, it takes multiples of {SIZE_STEP} from {LEAST_TRAINABLE_SIZE} on",
            file=sys.stderr,
        )
    tell_passed_over([options.input_dir])
    with progress_bar("making samples", len(list_images(options.input_dir))) as on_image:
        report = prepare_samples(options, on_image)
    for path, reason in report.skipped:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    skipped = f", {len(report.skipped)} skipped" if report.skipped else ""
    print(
        f"{report.n_samples} samples of {report.n_images} images{skipped}; with mean_shape.ptv, "
        f"imgs_mean.ptv, imgs_std.ptv in {options.output_dir}"
    )
    return 1 if report.skipped and not skip_bad else 0


def trainable_size(size: int) -> bool:
    """Whether DAN_V2.py takes samples of this side; the rule is DANConfig's, which needs torch."""
    return size >= LEAST_TRAINABLE_SIZE and size % SIZE_STEP == 0


def _parse(arguments: Sequence[str] | None) -> tuple[SampleOptions, bool]:
    parser = Parser("preprocessing.py", "Cut samples for DAN_V2.py out of annotated images.")
    positive = whole_number(1)
    flag = parser.add_argument
    flag("--input_dir", type=Path, required=True, help="images with NAME.pts beside each")
    flag("--output_dir", type=Path, required=True, help="new or empty folder for the samples")
    for name, text in (
        ("--istrain", "change the samples at random"),
        ("--skip_bad", "exit code 0 although an image was skipped"),
    ):
        flag(name, type=boolean, nargs="?", const=True, default=False, metavar="BOOL", help=text)
    flag("--repeat", type=positive, default=1, help="samples an image")
    flag("--img_size", type=whole_number(LEAST_SIZE), default=112, help="side, pixels")
    flag("--mirror_file", default=None, help="flip partners; without it nothing is flipped")
    flag("--seed", type=whole_number(0), default=0, help="of the random changes")
    flag("--workers", type=positive, default=None, help="processes; default one a core")
    values = vars(parser.parse_args(arguments))
    mirror_file, skip_bad = values.pop("mirror_file"), values.pop("skip_bad")
    scheme = None if mirror_file in (None, "", "None") else load_mirror(mirror_file)
    values["is_train"] = values.pop("istrain")
    return SampleOptions(**values, scheme=scheme), skip_bad


if __name__ == "__main__":
    sys.exit(main())
