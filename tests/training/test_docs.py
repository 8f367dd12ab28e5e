"""The page on training: its Python runs as it stands, with fewer epochs."""

import pytest

torch = pytest.importorskip("torch")

from dan.datasets.pack import save_pack
from dan.training import Augmentation, load_recipe


def test_from_python(drawn_pack, tmp_path, monkeypatch, blocks_of, capsys):
    training, use = [text for language, text in blocks_of("training.md") if language == "python"]
    assert "[20, 10]" in training
    monkeypatch.chdir(tmp_path)
    save_pack("faces.npz", drawn_pack)
    exec(training.replace("[20, 10]", "[1, 1]"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["stage1 step 2", "stage2 step 2"]
    assert lines[-1].endswith("model.safetensors")
    exec(use, {})
    assert capsys.readouterr().out == "torch.Size([1, 68, 2])\n"


def test_hard_pictures_are_made_by_settings_that_exist(tmp_path, blocks_of):
    (settings,) = [text for language, text in blocks_of("training.md") if language == "toml"]
    (tmp_path / "hard.toml").write_text(settings)
    hard, usual = load_recipe(tmp_path / "hard.toml").augmentation, Augmentation()
    for name in ("motion_length", "small_face", "dark_stops", "jpeg_quality"):
        assert getattr(hard, name) == getattr(usual, name)  # the page shows the defaults
    assert 0 < hard.turn < hard.hand < 1
