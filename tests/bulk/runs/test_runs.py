"""Runs of ``dan bulk`` without an engine: sources of all kinds, resuming, merging."""

import io
import json
import os
import shutil
import sys
import tarfile

import pytest

pa = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra 'parquet'")
pq = pytest.importorskip("pyarrow.parquet")

from dan.bulk.runs.places import Place
from dan.bulk.runs.run_folder import RunFolder
from dan.bulk.runs.tasks import list_tasks
from dan.bulk.worker import COLUMNS, AlignBatch, faces_of
from dan.schemes import FACE68


def rows_in(out):
    """Rows of a run by ``file``."""
    parts = Place.of(str(out)) / "parts"
    tables = []
    for name in parts.names():
        with (place := parts / name).files.open_input_file(place.path) as file:
            tables.append(pq.read_table(file))
    rows = pa.concat_tables(tables).to_pylist()
    by_file = {row["file"]: row for row in rows}
    assert len(by_file) == len(rows)
    return by_file


def lines_of(folder):
    """Lines of ``dan align`` by file."""
    lines = map(json.loads, (folder / "faces.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["file"]: line for line in lines}


def as_line(row, scheme=FACE68):
    """What ``dan align`` says of a picture, from its row."""
    if row["error"] is not None:
        return {"error": row["error"]}
    return {"size_wh": row["size_wh"], **faces_of(row, scheme).to_dict()}


@pytest.fixture(scope="module")
def aligned(dan, picture_folder, tmp_path_factory):
    """``dan align`` of all pictures."""
    out = tmp_path_factory.mktemp("align") / "out"
    assert dan("align", picture_folder, "-o", out, "-f", "parquet").code == 1  # one is broken
    return out


def test_a_run_finds_what_align_finds(dan, picture_folder, aligned, tmp_path):
    done = dan("bulk", picture_folder, "-o", tmp_path / "out", "--part-size", 4)
    assert done.code == 0
    assert "11 pictures, 1 unreadable, 9 faces" in done.err
    assert sorted(path.name for path in (tmp_path / "out/parts").iterdir()) == [
        f"part-0000000{number}.parquet" for number in range(3)
    ]
    rows, lines = rows_in(tmp_path / "out"), lines_of(aligned)
    assert rows.keys() == lines.keys()
    for file, line in lines.items():
        assert as_line(rows[file]) == {
            name: value
            for name, value in line.items()
            if name not in ("file", "name", "file_stamp")
        }
        assert rows[file]["name"] == file.removeprefix(f"{picture_folder}/")


def test_parts_that_are_there_are_not_done_again(dan, picture_folder, tmp_path):
    words = ("bulk", picture_folder, "-o", tmp_path / "out", "--part-size", "2")
    assert dan(*words).code == 0
    parts = sorted((tmp_path / "out/parts").iterdir())
    content = [part.read_bytes() for part in parts]
    parts[1].unlink()
    parts[4].unlink()
    (tmp_path / "out/parts" / ".part-00000004.parquet.0a.part").write_bytes(b"torn")
    stamps = [part.stat().st_mtime_ns for part in parts if part.exists()]
    done = dan(*words)
    assert "4 parts done before" in done.err
    assert "3 pictures" in done.err or "4 pictures" in done.err
    assert sorted((tmp_path / "out/parts").iterdir()) == parts
    rows = [pq.read_table(part) for part in parts]
    assert [pq.read_table(io.BytesIO(one)) for one in content] == rows
    assert [parts[place].stat().st_mtime_ns for place in (0, 2, 3, 5)] == stamps


def test_a_run_killed_while_it_listed_begins_anew(picture_folder, tmp_path):
    folder = RunFolder(tmp_path / "out")

    def torn():
        yield from list_tasks([str(picture_folder)], 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.prepare({}, torn())
    assert not (tmp_path / "out").exists()
    folder.prepare({}, list_tasks([str(picture_folder)], 2))
    assert len(folder.left()) == 6


def test_other_options_and_inputs_in_the_folder_are_refused(dan, picture_folder, tmp_path):
    out = tmp_path / "out"
    assert dan("bulk", picture_folder, "-o", out).code == 0
    done = dan("bulk", picture_folder, "-o", out, "--max-faces", "1")
    assert (done.code, "other options (max_faces: null, now 1)" in done.err) == (2, True)
    done = dan("bulk", picture_folder, "-o", picture_folder / "out")
    assert done.code == 2
    assert f"{picture_folder / 'out'}: expected a place outside of {picture_folder}" in done.err
    assert not (picture_folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: expected pictures, a table or an archive, found nothing"),
        (["@nowhere"], "nowhere: expected a list of pictures: No such file or directory"),
        (["none/*.jpg"], "none/*.jpg: expected pictures, found none"),
        (["x.jpg", "--workers", "2"], "--workers and --gpus: expected --ray, to which they add"),
        (["s3://me:secret@bucket/x"], "s3://…@bucket: expected no keys in a URI"),
        (["what://x/y"], "what://x/y: expected a place that pyarrow or fsspec opens: "),
        (["x.jpg", "--part-size", "0"], "--part-size: expected at least 1, got 0"),
    ],
)
def test_what_cannot_go_is_one_line(dan, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = dan("bulk", *words, "-o", tmp_path / "out")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def tables(picture_folder, tmp_path_factory):
    """Tables of bytes and of paths, an archive, and a list, of the same pictures."""
    folder = tmp_path_factory.mktemp("tables")
    paths = sorted(path for path in picture_folder.rglob("*") if path.suffix in (".jpg", ".png"))
    names = [path.relative_to(picture_folder).as_posix() for path in paths]
    content = pa.table({"name": names, "bytes": [path.read_bytes() for path in paths]})
    pq.write_table(content, folder / "bytes.parquet", row_group_size=3)
    pq.write_table(pa.table({"path": [str(path) for path in paths]}), folder / "paths.parquet")
    with tarfile.open(folder / "some.tar.gz", "w:gz") as archive:
        for path, name in zip(paths, names, strict=True):
            archive.add(path, name)
            text = tarfile.TarInfo(f"{name}.txt")
            archive.addfile(text, io.BytesIO())
    (folder / "list.txt").write_text("".join(f"{path}\n\n" for path in paths), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "source", ["bytes.parquet", "paths.parquet", "some.tar.gz", "@list.txt", "*.tar.gz"]
)
def test_any_source_gives_the_same_rows(aligned, dan, picture_folder, tables, tmp_path, source):
    given = f"@{tables / source[1:]}" if source.startswith("@") else tables / source
    assert dan("bulk", given, "-o", tmp_path / "out", "--part-size", "4").code == 0
    rows = {row["name"]: row for row in rows_in(tmp_path / "out").values()}
    is_named = source in ("bytes.parquet", "some.tar.gz", "*.tar.gz")
    for file, line in lines_of(aligned).items():
        row = rows.pop(file.removeprefix(f"{picture_folder}/") if is_named else file)
        if "error" in line:
            assert row["error"].startswith("expected a picture")
        else:
            assert as_line(row) == {name: line[name] for name in ("size_wh", "scheme", "faces")}
    assert not rows


def test_folders_may_hold_pictures_tables_and_archives(dan, tables, tmp_path):
    assert dan("bulk", tables, "-o", tmp_path / "out").code == 0
    assert len(rows_in(tmp_path / "out")) == 33 - 11 + 11


def test_damaged_archives_and_tables_are_rows_with_errors(dan, tables, tmp_path):
    data = (tables / "some.tar.gz").read_bytes()
    (tmp_path / "torn.tar.gz").write_bytes(data[: len(data) // 2])
    content = bytearray((tables / "bytes.parquet").read_bytes())
    content[4:3000] = bytes(2996)  # pages of the first row group
    (tmp_path / "torn.parquet").write_bytes(content)
    sources = (tmp_path / "torn.tar.gz", tmp_path / "torn.parquet")
    assert dan("bulk", *sources, "-o", tmp_path / "out").code == 0
    rows = rows_in(tmp_path / "out")
    of_archive = [row for file, row in rows.items() if ".tar.gz" in file]
    assert 2 <= len(of_archive) <= 11
    assert [row["error"] for row in of_archive if "archive" in str(row["error"])] == [
        of_archive[-1]["error"]
    ]
    of_table = [row for file, row in rows.items() if ".parquet" in file]
    assert len(of_table) == 11
    assert all(row["error"] for row in of_table[:3])


def test_a_table_without_pictures_is_rows_with_errors(dan, tmp_path):
    pq.write_table(pa.table({"url": ["a", "b"]}), tmp_path / "t.parquet")
    assert dan("bulk", tmp_path / "t.parquet", "-o", tmp_path / "out").code == 0
    errors = [row["error"] for row in rows_in(tmp_path / "out").values()]
    assert errors == ["expected a column bytes or path, got url"] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_names_that_are_no_text(dan, picture_folder, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(picture_folder / "black.png", os.fsencode(folder) + b"/\xff.png")
    assert dan("bulk", folder, "-o", tmp_path / "out").code == 0
    (row,) = rows_in(tmp_path / "out").values()
    assert (row["name"], row["error"], row["size_wh"]) == ("\\udcff.png", None, [50, 40])


def test_the_columns_of_parts_are_those_of_the_worker(dan, picture_folder, tmp_path):
    assert dan("bulk", picture_folder / "black.png", "-o", tmp_path / "out").code == 0
    (part,) = (tmp_path / "out/parts").iterdir()
    schema = pq.read_schema(part)
    assert schema.names == ["name", "file", *COLUMNS]
    about = json.loads(schema.metadata[b"dan"])
    assert (about["scheme"], about["n_pictures"], about["n_faces"]) == ("face68", 1, 0)


# ---------------------------------------------------------------------------------------- buckets


def fill(s3, picture_folder):
    """Upload the pictures; returns the URI of their folder."""
    folder = Place.of(s3("in"))
    for path in picture_folder.rglob("*"):
        if path.is_file():
            (folder / path.relative_to(picture_folder).as_posix()).write(path.read_bytes())
    return s3("in")


def test_from_a_bucket_to_a_bucket(dan, s3, picture_folder, aligned):
    source = fill(s3, picture_folder)
    done = dan("bulk", source, "-o", s3("out"), "--part-size", "4")
    assert done.code == 0, done.err
    rows = rows_in(s3("out"))
    assert len(rows) == 11
    for file, line in lines_of(aligned).items():
        name = file.removeprefix(f"{picture_folder}/")
        (row,) = (row for row in rows.values() if row["name"] == name)
        assert row["file"].startswith("s3://bucket/in/")
        if "error" not in line:
            assert as_line(row) == {key: line[key] for key in ("size_wh", "scheme", "faces")}
    assert "3 parts done before" in dan("bulk", source, "-o", s3("out"), "--part-size", "4").err


def test_missing_keys_damaged_objects_and_slow_reads(dan, s3, picture_folder, tmp_path):
    good = next(picture_folder.rglob("2 *.jpg")).read_bytes()
    (Place.of(s3("odd")) / "good.jpg").write(good)
    (Place.of(s3("odd")) / "torn.jpg").write(good[:4000])
    (Place.of(s3("odd")) / "slow.jpg").write(good)
    names = ["good", "missing", "torn", "slow"]
    table = pa.BufferOutputStream()
    paths = [s3(f"odd/{name}.jpg") for name in names]
    pq.write_table(pa.table({"path": paths, "name": names}), table)
    (Place.of(s3("tables")) / "t.parquet").write(bytes(table.getvalue()))
    assert dan("bulk", s3("tables/t.parquet"), "-o", s3("odd-out")).code == 0
    rows = {row["name"]: row for row in rows_in(s3("odd-out")).values()}
    assert rows["good"]["error"] is None
    assert "missing.jpg" in rows["missing"]["error"]
    assert rows["torn"]["error"].startswith("image file is truncated")
    assert rows["slow"]["points_xy"] == rows["good"]["points_xy"] != []
    assert len(rows) == 4


# ---------------------------------------------------------------------------- shards and merging


@pytest.mark.parametrize("n_shards", [1, 3, 16])
def test_shards_are_disjoint_complete_and_merge_to_the_same_table(
    dan, picture_folder, aligned, tmp_path, n_shards
):
    outs = [tmp_path / f"shard-{number}" for number in range(1, n_shards + 1)]
    for number, out in enumerate(outs, start=1):
        words = ("-o", out, "-f", "parquet", "--shard", f"{number}/{n_shards}")
        assert dan("align", picture_folder, *words).code in (0, 1)
    files = [file for out in outs for file in lines_of(out)]
    assert sorted(files) == sorted(lines_of(aligned))
    whole, merged = tmp_path / "whole.parquet", tmp_path / "merged.parquet"
    assert dan("bulk", "merge", *reversed(outs), "-o", merged).out == f"9 rows: {merged}\n"
    assert dan("bulk", "merge", aligned, "-o", whole).code == 0
    assert merged.read_bytes() == whole.read_bytes()
    order = [("file", "ascending"), ("face", "ascending")]
    assert pq.read_table(merged) == pq.read_table(aligned / "faces.parquet").sort_by(order)


def test_a_shard_is_that_of_the_name_below_the_folder(dan, picture_folder, tmp_path, monkeypatch):
    words = ("--shard", "2/3", "--json")

    def names(folder):
        lines = dan("align", folder, *words).out.splitlines()
        return {json.loads(line)["name"] for line in lines}

    far = names(picture_folder)
    monkeypatch.chdir(picture_folder.parent)
    assert (
        names(picture_folder.name)
        == far
        == {"a/7 ü%", "b/c/0 ü%", "b/c/2 ü%", "b/c/8 ü%", "broken"}
    )


@pytest.mark.parametrize("word", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5", ""])
def test_what_is_no_shard_is_refused(dan, portrait_path, word):
    done = dan("align", portrait_path, f"--shard={word}")
    said = f"dan: --shard: expected I/N with I of 1..N, such as 3/16, got {word}".rstrip()
    assert (done.code, done.err.rstrip()) == (2, said)


def test_a_folder_of_one_shard_is_not_gone_on_with_as_another(dan, picture_folder, tmp_path):
    out = tmp_path / "out"
    dan("align", picture_folder, "-o", out, "--shard", "1/3")
    done = dan("align", picture_folder, "-o", out, "--shard", "2/3")
    assert (done.code, 'other options (shard: "1/3", now "2/3")' in done.err) == (2, True)


def test_what_cannot_be_merged_is_refused(dan, picture_folder, aligned, tmp_path):
    bulk, table = tmp_path / "bulk", tmp_path / "t.parquet"
    worker = AlignBatch()
    folder = RunFolder(bulk)
    folder.prepare({}, list_tasks([str(picture_folder)], 4))
    folder.do(folder.left()[0], worker)

    def said(*folders):
        done = dan("bulk", "merge", *folders, "-o", table)
        assert done.code == 2
        assert not table.exists()
        return done.err

    assert "expected a finished run, found 2 parts missing" in said(bulk)
    assert "holds results of other options" in said(bulk, aligned)
    assert "expected each folder once, got it twice" in said(aligned, aligned)
    assert "expected results of dan bulk or dan align, found none" in said(tmp_path)
    for line in folder.left():
        folder.do(line, worker)
    inside = bulk / "parts" / "part-00000000.parquet"
    done = dan("bulk", "merge", bulk, "-o", inside)
    told = f"dan: {inside}: expected a place outside of {inside.parent}, which is read\n"
    assert (done.code, done.err) == (2, told)
    assert dan("bulk", "merge", bulk, "-o", table).out == f"11 rows: {table}\n"
    merged = pq.read_table(table)
    assert merged["name"].to_pylist() == [row["name"] for row in rows_in(bulk).values()]
    next((bulk / "parts").iterdir()).write_bytes(b"torn")
    table.unlink()
    assert "expected a part" in said(bulk)
