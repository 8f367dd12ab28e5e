"""Two processes on the CPU do what one does with the same global batch."""

import json
import subprocess
import sys
import textwrap

import pytest

torch = pytest.importorskip("torch")

from dan.datasets.pack import save_pack
from dan.training.run_folder import read_csv

PROGRAM = textwrap.dedent(
    """
    import json, sys
    import torch
    from dan.datasets.pack import load_pack
    from dan.training import Recipe, train
    torch.set_num_threads(1)
    recipe = Recipe.from_dict(json.loads(sys.argv[3]))
    train(load_pack(sys.argv[1]), recipe, sys.argv[2], device="cpu")
    """
)


@pytest.mark.slow
def test_two_processes_train_as_one(drawn_pack, tmp_path, tiny_recipe):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    save_pack(tmp_path / "faces.npz", drawn_pack)
    recipe = json.dumps(tiny_recipe(epochs=[3, 2], joint_epochs=1).to_dict())
    many = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    for name, launcher in (("one", []), ("two", many)):
        command = [sys.executable, *launcher, str(script), str(tmp_path / "faces.npz")]
        done = subprocess.run(
            [*command, str(tmp_path / name), recipe],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    for phase in ("stage1", "stage2", "joint"):
        one, two = (read_csv(tmp_path / name / phase / "losses.csv") for name in ("one", "two"))
        assert [float(row["loss"]) for row in two] == pytest.approx(
            [float(row["loss"]) for row in one], rel=1e-3
        )
        one, two = (read_csv(tmp_path / name / phase / "validation.csv") for name in ("one", "two"))
        assert [float(row["error_percent"]) for row in two] == pytest.approx(
            [float(row["error_percent"]) for row in one], rel=1e-3
        )
