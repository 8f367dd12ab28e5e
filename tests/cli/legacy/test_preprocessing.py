"""The old preprocessing command line, typed as in the notes of those who hold it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dan.cli.legacy.preprocessing import main, trainable_size
from dan.cli.legacy.samples import SampleFolder
from dan.core.images import write_png
from dan.datasets.formats import load_pts, save_pts
from dan.datasets.synthetic import draw_synthetic_face
from dan.schemes import FACE68, render_mirror

ROOT = Path(__file__).parents[3]
LEGACY_MIRROR = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for index in range(3):
        image, points = draw_synthetic_face(np.random.default_rng(index), 100)
        write_png(folder / f"face{index}.png", image)
        save_pts(folder / f"face{index}.pts", points)
    return folder


def flags(faces, out, *more: str) -> list[str]:
    return [f"--input_dir={faces}", f"--output_dir={out}", "--workers=1", *more]


def test_the_mirror_file_is_the_scheme_and_the_old_sequence():
    text = (ROOT / "Mirror68.txt").read_text()
    assert text == render_mirror(FACE68)
    assert [int(index) for index in text.split(",")] == LEGACY_MIRROR


def test_the_old_command_line_as_it_was_typed(faces, tmp_path):
    command = [
        sys.executable,
        "preprocessing.py",
        f"--input_dir={faces}",
        f"--output_dir={tmp_path / 'out'}",
        "--istrain=True",
        "--repeat=10",
        "--img_size=112",
        "--mirror_file=./Mirror68.txt",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "30 samples of 3 images" in done.stdout
    folder = SampleFolder.open(tmp_path / "out")
    assert len(folder.names) == 30
    assert folder.mean_image.shape == (112, 112)
    assert folder.mean_shape.shape == (68, 2)


@pytest.mark.parametrize(
    ("spelling", "changed"),
    [
        (["--istrain=True"], True),
        (["--istrain=true"], True),
        (["--istrain=1"], True),
        (["--istrain"], True),
        (["--istrain", "True"], True),
        (["--istrain=False"], False),
        (["--istrain", "false"], False),
        (["--istrain=0"], False),
        ([], False),
    ],
)
def test_every_spelling_of_istrain(faces, tmp_path, spelling, changed):
    assert main(flags(faces, tmp_path / "plain", "--repeat=2")) == 0
    assert main(flags(faces, tmp_path / "out", "--repeat", "2", *spelling)) == 0
    first, second = (
        SampleFolder.open(tmp_path / name).load_points(68) for name in ("plain", "out")
    )
    assert (not np.array_equal(first, second)) is changed
    if not changed:
        assert np.array_equal(first[0], first[1])


def test_defaults(faces, tmp_path):
    assert main(flags(faces, tmp_path / "out")) == 0
    folder = SampleFolder.open(tmp_path / "out")
    assert folder.names == ("face0@0000", "face1@0000", "face2@0000")
    assert folder.mean_image.shape == (112, 112)


@pytest.mark.parametrize(("more", "code"), [([], 1), (["--skip_bad=True"], 0), (["--skip_bad"], 0)])
def test_skipped_images_are_named_and_change_the_exit_code(faces, tmp_path, capsys, more, code):
    (faces / "face1.pts").write_text("version: 1\nn_points: 68\n{\n")
    assert main(flags(faces, tmp_path / "out", *more)) == code
    printed = capsys.readouterr()
    assert "2 samples of 2 images, 1 skipped" in printed.out
    assert f"skipped {faces / 'face1.png'}: " in printed.err
    assert "expected a closing '}'" in printed.err
    assert len(SampleFolder.open(tmp_path / "out").names) == 2


def test_images_that_lack_points_are_skipped(faces, tmp_path, capsys):
    points = load_pts(faces / "face1.pts")
    points[3] = np.nan
    save_pts(faces / "face1.pts", points)
    assert main(flags(faces, tmp_path / "out")) == 1
    assert "expected all 68 points annotated, got 67" in capsys.readouterr().err
    assert len(SampleFolder.open(tmp_path / "out").names) == 2


@pytest.mark.parametrize(("size", "told"), [(112, False), (32, False), (16, True), (100, True)])
def test_a_size_that_training_refuses_is_told(faces, tmp_path, capsys, size, told):
    assert main(flags(faces, tmp_path / "out", f"--img_size={size}")) == 0
    notice = f"preprocessing.py: --img_size={size}: DAN_V2.py will refuse these samples"
    assert (notice in capsys.readouterr().err) is told
    assert SampleFolder.open(tmp_path / "out").mean_image.shape == (size, size)


@pytest.mark.torch
def test_the_sizes_that_training_takes_are_those_of_the_network():
    pytest.importorskip("torch")
    from dan.core.errors import ConfigError
    from dan.model import DANConfig

    for size in range(8, 130):
        if trainable_size(size):
            DANConfig(image_size=size)
        else:
            with pytest.raises(ConfigError, match="image_size"):
                DANConfig(image_size=size)


@pytest.mark.parametrize("count", [5, 98])
def test_other_landmark_counts_by_their_mirror_file(tmp_path, count):
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(2):
        write_png(folder / f"{index}.png", rng.integers(0, 255, (90, 90), dtype=np.uint8))
        save_pts(folder / f"{index}.pts", rng.uniform(20, 70, (count, 2)).astype(np.float32))
    mirror = tmp_path / "mirror.txt"
    mirror.write_text(",".join(map(str, range(count - 1, -1, -1))))
    assert main(flags(folder, tmp_path / "out", "--istrain", f"--mirror_file={mirror}")) == 0
    assert SampleFolder.open(tmp_path / "out").load_points(count).shape == (2, count, 2)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--repeat=0"], "argument --repeat: expected a whole number of at least 1, got '0'"),
        (["--img_size=big"], "argument --img_size: expected a whole number of at least 8"),
        (["--istrain=perhaps"], "argument --istrain: expected True or False, got 'perhaps'"),
        (["--mirror_file=none.txt"], "none.txt: No such file or directory"),
        (["--mirrorfile=x"], "unrecognized arguments: --mirrorfile=x"),
        (["--input_dir=/nowhere"], "/nowhere: expected a folder of images, found none"),
    ],
)
def test_wrong_flags_are_one_line_and_write_nothing(faces, tmp_path, capsys, more, message):
    assert main(flags(faces, tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_mirror_of_another_length_skips_every_image(faces, tmp_path, capsys):
    mirror = tmp_path / "mirror.txt"
    mirror.write_text("1,0")
    assert main(flags(faces, tmp_path / "out", f"--mirror_file={mirror}")) == 2
    assert "expected 2 points, got 68" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl-C to a POSIX process group")
@pytest.mark.parametrize("workers_started", [False, True])
def test_ctrl_c_is_quiet_and_leaves_nothing(faces, tmp_path, workers_started):
    command = flags(faces, tmp_path / "out", "--repeat=100000")
    command[2] = "--workers=2"
    script = subprocess.Popen(
        [sys.executable, "preprocessing.py", *command],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wanted = ".out.partial-*/*.png" if workers_started else ".out.partial-*"
    try:
        while script.poll() is None and not any(tmp_path.glob(wanted)):
            time.sleep(0.02)
        os.killpg(script.pid, signal.SIGINT)
        errors = script.communicate(timeout=60)[1]
    finally:
        script.kill()
        script.communicate()
    assert script.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "preprocessing.py: stopped"
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_real_faces(shared_300w, tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for path in sorted((shared_300w / "afw").iterdir())[:20]:
        (faces / path.name).write_bytes(path.read_bytes())
    mirror = f"--mirror_file={ROOT / 'Mirror68.txt'}"
    assert main(flags(faces, tmp_path / "out", "--istrain=True", "--repeat=2", mirror)) == 0
    folder = SampleFolder.open(tmp_path / "out")
    points = folder.load_points(68)
    assert len(points) == 20
    assert np.median(points) == pytest.approx(55.5, abs=6)
