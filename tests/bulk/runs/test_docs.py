"""The Python of docs/scale.md prints what the page says."""

import contextlib
import io
import shutil

import pytest


def test_the_worker(blocks_of, check_sample, portrait_path, tmp_path, monkeypatch):
    shutil.copy(portrait_path, tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks, printed = blocks_of("scale.md"), io.StringIO()
    (code,) = [text for language, text in blocks if language == "python"]
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    check_sample(printed.getvalue(), "".join(text for kind, text in blocks if kind == "text"))


@pytest.mark.filterwarnings("ignore")  # Daft's own
def test_the_recipe_of_daft(blocks_of, portrait_path, tmp_path, monkeypatch):
    pytest.importorskip("daft", "0.7", reason="needs Daft")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, the extra 'parquet'")
    (tmp_path / "photos").mkdir()
    shutil.copy(portrait_path, tmp_path / "photos")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    (code,) = [text for language, text in blocks_of("scale.md") if language == "py"]
    exec(code, {})
    rows = sorted(pq.read_table("found")["row"].to_pylist(), key=lambda row: bool(row["error"]))
    assert [len(row["points_xy"][0]) for row in rows[:1]] == [136]
    assert [bool(row["error"]) for row in rows] == [False, True]
