"""The page about the service says what it does, and its snippets run."""

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from dan.service.schemas import AlignQuery
from dan.service.settings import ServiceSettings, option_of

PAGE = (Path(__file__).parents[2] / "docs/service.md").read_text(encoding="utf-8")
PICTURES = Path(__file__).parents[2] / "docs/pictures"


def snippet(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)[number]


@pytest.fixture
def here(client, tmp_path, monkeypatch):
    """Turns a snippet to the tests' own service, in a folder with the portrait."""
    shutil.copy(PICTURES / "portrait.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda text: text.replace("127.0.0.1:8000", f"127.0.0.1:{client.port}")


def test_the_client_in_python_has_ten_lines_and_prints_the_sample(here, capsys):
    code = snippet("python")
    assert len([line for line in code.split("\n\n\n")[1].splitlines() if line]) <= 10
    exec(here(code), {})
    assert capsys.readouterr().out == snippet("text", 1)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_line_for_curl_finds_the_face(here):
    (line,) = [line for line in here(snippet("sh", 1)).splitlines() if line]
    done = subprocess.run(
        ["bash", "-c", f"curl --silent {line.removeprefix('curl ')}"],
        capture_output=True,
        check=True,
    )
    assert b'"pose":{"yaw_deg":' in done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_client_in_javascript_prints_the_number_of_points(here):
    Path("client.mjs").write_text(here(snippet("javascript")))
    done = subprocess.run(["node", "client.mjs"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("68\n", "")


def table(header):
    """First and second column of the table that begins so."""
    lines = PAGE.partition(f"\n| {header} |")[2].splitlines()[2:]
    rows = [line.split(" | ") for line in lines[: lines.index("")]]
    return {row[0].strip("| "): row[1].strip() for row in rows}


def test_every_option_is_listed_with_its_default():
    told = {words.split(",")[0].strip("`"): default for words, default in table("option").items()}
    settings = fields(ServiceSettings)
    assert list(told) == [option_of(field.name) for field in settings]
    for field in settings:
        if field.name not in ("model", "page", "log"):
            shown = f"{field.default:g}" if isinstance(field.default, float) else field.default
            assert told[option_of(field.name)] == str("none" if shown is None else shown)


def test_every_parameter_is_listed():
    told = [name.strip("`") for name in table("parameter")]
    assert told == list(AlignQuery.__struct_fields__)


def test_every_metric_is_listed(client):
    text = client("/metrics").body.decode()
    names = set(re.findall(r"^# HELP (dan_\w+)", text, flags=re.MULTILINE))
    told = set(re.findall(r"`(dan_\w+)", PAGE))
    assert names - told == set()
    assert {name for name in told if name not in names} == set()


def test_every_route_and_status_is_listed(client):
    paths = client("/openapi.json").json["paths"]
    routes = " ".join(table("route"))
    assert all(path in routes for path in [*paths, "/metrics", "/openapi.json"])
    statuses = {status for one in paths.values() for each in one.values()
                for status in each["responses"]} - {"200"}  # fmt: skip
    assert statuses <= set(re.findall(r"\d{3}", " ".join(table("status"))))
