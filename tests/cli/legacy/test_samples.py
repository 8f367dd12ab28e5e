"""Sample folders: exact geometry, exact statistics, whole or not at all."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from dan.cli.legacy import samples
from dan.cli.legacy.samples import SampleFolder, SampleOptions, make_sample, prepare_samples
from dan.core.errors import DataError, FormatError, ImageError
from dan.core.images import read_grey, write_png
from dan.datasets.formats import load_ptv, save_pts
from dan.geometry import box_centre, box_of_points, box_size_wh, estimate_similarity
from dan.schemes import LandmarkScheme

SHAPE = np.array([[40, 30], [80, 34], [60, 60], [45, 84], [76, 80]], dtype=np.float32)
SCHEME = LandmarkScheme.from_mirror([1, 0, 2, 4, 3])


def dotted(points: np.ndarray, size: int = 120) -> np.ndarray:
    """A dark picture with a bright spot of three pixels' width on each point."""
    image = np.zeros((size, size), np.uint8)
    for x, y in points.round().astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


class Deadly(int):
    """A number; whoever unpickles it dies."""

    def __reduce__(self):
        return os._exit, (9,)


class Slow(int):
    """A number; whoever unpickles it sleeps, and then leaves a file behind."""

    def __reduce__(self):
        code = "import pathlib, time; time.sleep(30); pathlib.Path({!r}).touch()"
        return exec, (code.format(str(self.left_behind)),)


@pytest.fixture
def options(tmp_path):
    """Three images, each with its points."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index, name in enumerate(["anna", "ben", "carl"]):
        points = SHAPE + 3 * index
        write_png(folder / f"{name}.png", dotted(points))
        save_pts(folder / f"{name}.pts", points)
    return SampleOptions(folder, tmp_path / "out", img_size=56, workers=1)


def written(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_without_training_the_box_is_centred_and_fills_four_fifths(options):
    sample, points = make_sample(dotted(SHAPE), SHAPE, options, np.random.default_rng(0))
    box = box_of_points(points)
    np.testing.assert_allclose(box_centre(box), [27.5, 27.5], atol=1e-4)
    assert box_size_wh(box).max() == pytest.approx(0.8 * 56, rel=1e-5)
    assert sample.shape == (56, 56)


@pytest.mark.parametrize("is_train", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_points_lie_on_what_they_mark(options, is_train, seed):
    options = replace(options, is_train=is_train, scheme=SCHEME)
    rng = np.random.default_rng(seed)
    sample, points = make_sample(dotted(SHAPE), SHAPE, options, rng)
    seen = points[((points > 0) & (points < 55)).all(axis=1)].round().astype(int)
    assert len(seen) >= 3
    assert sample[seen[:, 1], seen[:, 0]].min() > 120
    assert sample.mean() < 40


def test_flipped_samples_exchange_partners(options):
    options = replace(options, is_train=True, scheme=SCHEME)
    for seed in range(20):
        _, points = make_sample(dotted(SHAPE), SHAPE, options, np.random.default_rng(seed))
        eyes, nose = points[1] - points[0], points[2] - points[0]
        # The nose stays below the line from eye 0 to eye 1, whatever was flipped.
        assert eyes[0] * nose[1] - eyes[1] * nose[0] > 0


def test_the_random_changes_have_their_deviations(options):
    options = replace(options, is_train=True)
    image = np.zeros((8, 8), np.uint8)
    drawn = [
        make_sample(image, SHAPE, options, np.random.default_rng(seed))[1] for seed in range(800)
    ]
    spans = np.array([points[1] - points[0] for points in drawn])
    angles = np.rad2deg(np.arctan2(spans[:, 1], spans[:, 0])) - np.rad2deg(np.arctan2(4, 40))
    assert angles.std() == pytest.approx(20, rel=0.1)
    lengths = np.hypot(*spans.T) / (np.hypot(40, 4) * 56 / 54)  # share of the side
    assert lengths.mean() == pytest.approx(0.8, abs=0.01)
    assert lengths.std() == pytest.approx(0.05, rel=0.1)
    centre = box_centre(box_of_points(SHAPE))[None]
    shifts = [estimate_similarity(SHAPE, points).apply(centre)[0] - 27.5 for points in drawn]
    assert np.mean(shifts, axis=0) == pytest.approx([0, 0], abs=0.3)
    assert np.std(shifts, axis=0) == pytest.approx([0.05 * 56] * 2, rel=0.1)


def test_statistics_are_those_of_the_written_samples(options):
    options = replace(options, is_train=True, repeat=3)
    report = prepare_samples(options)
    assert (report.n_images, report.n_samples, report.skipped) == (3, 9, ())
    folder = options.output_dir
    images = np.stack([read_grey(path) for path in sorted(folder.glob("*.png"))])
    shapes = np.stack([load_ptv(path) for path in sorted(folder.glob("*@*.ptv"))])
    assert len(images) == len(shapes) == 9
    opened = SampleFolder.open(folder)
    np.testing.assert_allclose(opened.mean_image, images.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(opened.std_image, images.std(axis=0), atol=1e-3)
    np.testing.assert_allclose(opened.mean_shape, shapes.mean(axis=0), atol=1e-4)


def test_names_and_reading_back(options):
    prepare_samples(replace(options, repeat=2))
    folder = SampleFolder.open(options.output_dir)
    assert folder.names == (
        "anna@0000", "anna@0001", "ben@0000", "ben@0001", "carl@0000", "carl@0001"
    )  # fmt: skip
    points, images = folder.load_points(5), folder.load_images(2)
    assert points.shape == (6, 5, 2)
    assert images.shape == (6, 56, 56)
    assert np.array_equal(images[3], read_grey(options.output_dir / "ben@0001.png"))


@pytest.mark.slow
def test_samples_do_not_depend_on_the_number_of_processes(options, tmp_path):
    options = replace(options, is_train=True, repeat=2, scheme=SCHEME)
    prepare_samples(options)
    prepare_samples(replace(options, output_dir=tmp_path / "two", workers=2))
    assert written(options.output_dir) == written(tmp_path / "two")


def test_samples_do_not_depend_on_how_many_are_made_at_once(options, tmp_path, monkeypatch):
    options = replace(options, is_train=True, repeat=5, scheme=SCHEME)
    prepare_samples(options)
    monkeypatch.setattr(samples, "SAMPLES_AT_ONCE", 2)
    prepare_samples(replace(options, output_dir=tmp_path / "twos"))
    assert written(options.output_dir) == written(tmp_path / "twos")


def test_sums_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    made = [
        (rng.integers(0, 256, (8, 8), np.uint8), rng.normal(4, 3, (5, 2)).astype(np.float32))
        for _ in range(50)
    ]
    sums = [samples._Sums(8, 5) for _ in range(3)]
    for order, total in zip((made, made[::-1]), sums, strict=False):
        for image, points in order:
            total.add_sample(image, points)
    for image, points in made[:20]:
        sums[2].add_sample(image, points)
    rest = samples._Sums(8, 5)
    for image, points in made[20:]:
        rest.add_sample(image, points)
    sums[2].add(rest)
    for total in sums[1:]:
        for name in ("count", "levels", "squares", "points"):
            assert np.array_equal(getattr(total, name), getattr(sums[0], name))


def test_another_seed_gives_other_samples(options, tmp_path):
    options = replace(options, is_train=True)
    prepare_samples(options)
    prepare_samples(replace(options, output_dir=tmp_path / "other", seed=1))
    assert written(options.output_dir) != written(tmp_path / "other")


def spoil(kind: str, folder) -> str:
    """Make one input bad; returns the image that must be named."""
    good = (folder / "ben.pts").read_text()
    lines = good.splitlines()
    texts = {
        "wrong count": good.replace("n_points: 5", "n_points: 6"),
        "other number of points": "version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n",
        "not a number": good.replace(lines[3], "nan 12.0"),
        "no closing brace": good.replace("}", ""),
        "no text": "\x00\x01",
        "one place": "version: 1\nn_points: 5\n{\n" + "3 3\n" * 5 + "}\n",
    }
    if kind in texts:
        (folder / "ben.pts").write_text(texts[kind])
    elif kind == "no points":
        (folder / "ben.pts").unlink()
    elif kind == "truncated image":
        (folder / "ben.png").write_bytes((folder / "ben.png").read_bytes()[:100])
    elif kind == "not an image":
        (folder / "ben.png").write_text("hello")
    elif kind == "same name":
        (folder / "ben.bmp").write_bytes((folder / "ben.png").read_bytes())
        return "ben.png"
    return "ben.png"


BAD = {
    "wrong count": "expected 6 points as n_points says, got 5",
    "other number of points": "expected 5 points, got 2",
    "not a number": "expected finite numbers",
    "no closing brace": "expected a closing '}'",
    "no text": "expected 'version: 1'",
    "one place": "expected them to span an area",
    "no points": "No such file",
    "truncated image": "ben.png",
    "not an image": "expected a picture",
    "same name": "expected one image of this name, found ben.bmp too",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_input_is_named_and_the_good_ones_are_used(options, kind):
    name = spoil(kind, options.input_dir)
    report = prepare_samples(options)
    assert [path for path, _ in report.skipped] == [str(options.input_dir / name)]
    assert BAD[kind] in f"{name}: {report.skipped[0][1]}"
    assert report.n_samples == (3 if kind == "same name" else 2)


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize("between", [" ", ",", ", "])
def test_windows_line_ends_and_commas_are_taken(options, ends, between):
    path = options.input_dir / "ben.pts"
    before = prepare_samples(replace(options, output_dir=options.output_dir / "a")).n_samples
    rows = [
        between.join(line.split()) if line[0].isdigit() else line
        for line in path.read_text().splitlines()
    ]
    path.write_bytes(ends.join(rows).encode())
    prepare_samples(replace(options, output_dir=options.output_dir / "b"))
    assert before == 3
    assert written(options.output_dir / "a") == written(options.output_dir / "b")


def test_only_bad_inputs_are_an_error_and_leave_nothing(options):
    for path in options.input_dir.glob("*.pts"):
        path.unlink()
    with pytest.raises(DataError, match=r"expected at least one good image.*anna"):
        prepare_samples(options)
    assert not options.output_dir.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_stopped_run_leaves_nothing_behind(options, monkeypatch, error):
    real, calls = samples.encode_png, []

    def encode(image):
        calls.append(image)
        if len(calls) == 3:
            raise error("stop")
        return real(image)

    monkeypatch.setattr(samples, "encode_png", encode)
    with pytest.raises(error):
        prepare_samples(options)
    assert len(calls) == 3
    assert [path.name for path in options.output_dir.parent.iterdir()] == ["images"]


@pytest.mark.slow
def test_a_killed_worker_is_said_and_leaves_nothing(options):
    # The option is unpickled in the worker, which ends there as if the system had killed it.
    options = replace(options, seed=Deadly(), workers=2)
    with pytest.raises(DataError, match="a worker process was killed"):
        prepare_samples(options)
    assert [path.name for path in options.output_dir.parent.iterdir()] == ["images"]


@pytest.mark.slow
def test_ctrl_c_while_workers_start_waits_for_none_of_them(options, monkeypatch):
    class Interrupted(ProcessPoolExecutor):
        def submit(self, *work):
            future = super().submit(*work)
            signal.raise_signal(signal.SIGINT)
            return future

    monkeypatch.setattr(samples, "ProcessPoolExecutor", Interrupted)
    options = replace(options, seed=Slow(), workers=2)
    Slow.left_behind = options.output_dir.with_name("left")
    with pytest.raises(KeyboardInterrupt):
        prepare_samples(options)
    assert [path.name for path in options.output_dir.parent.iterdir()] == ["images"]
    assert multiprocessing.active_children() == []


def test_a_folder_with_something_in_it_is_not_touched(options):
    options.output_dir.mkdir()
    (options.output_dir / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="expected a new or empty folder"):
        prepare_samples(options)
    assert written(options.output_dir) == {"mine.txt": b"keep"}


def read_all(path) -> None:
    folder = SampleFolder.open(path)
    folder.load_points(5)
    folder.load_images()


@pytest.mark.parametrize(
    ("file", "contents", "message"),
    [
        ("mean_shape.ptv", None, "preprocessing.py finished, mean_shape.ptv is missing"),
        ("imgs_std.ptv", None, "preprocessing.py finished, imgs_std.ptv is missing"),
        ("imgs_mean.ptv", "1,2\n", "imgs_mean.ptv: expected a square"),
        ("ben@0000.ptv", None, "expected its landmarks in ben@0000.ptv, found none"),
        ("ben@0000.ptv", "1,2\n", "ben@0000.ptv: expected 5 lines, got 1"),
        ("ben@0000.ptv", "1,2\n" * 4 + "1,x\n", "ben@0000.ptv: expected numbers"),
        ("ben@0000.png", "no picture", "ben@0000.png: expected a picture"),
    ],
)
def test_a_damaged_sample_folder_is_refused(options, file, contents, message):
    prepare_samples(options)
    path = options.output_dir / file
    path.unlink() if contents is None else path.write_text(contents)
    with pytest.raises((DataError, FormatError, ImageError), match=message):
        read_all(options.output_dir)


def test_a_sample_of_another_size_is_refused(options):
    prepare_samples(options)
    write_png(options.output_dir / "ben@0000.png", np.zeros((30, 40), np.uint8))
    with pytest.raises(DataError, match=r"ben@0000.png: expected 56 x 56 pixels, got"):
        SampleFolder.open(options.output_dir).load_images()


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(DataError, match=r"expected a folder made by preprocessing.py"):
        SampleFolder.open(tmp_path / "none")
