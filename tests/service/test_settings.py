"""Settings are checked before anything starts."""

import pytest

from dan.core.errors import ConfigError, FormatError
from dan.service.settings import TOKEN_VARIABLE, ServiceSettings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 65536}, "--port: expected at least 0, at most 65535, got 65536"),
        ({"workers": 0}, "--workers: expected at least 1, at most 256, got 0"),
        ({"threads": 0}, "--threads: expected at least 1, at most 1024, got 0"),
        ({"deadline_s": 0}, "--deadline-s: expected at least 0.001, got 0"),
        ({"max_megapixels": 179}, "--max-megapixels: expected at least 0.001, at most 178, got"),
        ({"queue_pictures": 15}, "--queue-pictures: expected at least --max-batch-pictures (16)"),
        ({"max_buffered_mib": 63}, "--max-buffered-mib: expected at least --max-body-mib and"),
    ],
)
def test_what_is_out_of_range_is_told_by_its_option(options, said):
    with pytest.raises(ConfigError) as caught:
        ServiceSettings(**options)
    assert str(caught.value).startswith(said)


def test_cores_are_shared_by_the_processes(monkeypatch):
    monkeypatch.setattr("dan.service.settings.usable_cores", lambda: 8)
    assert [ServiceSettings(workers=n).n_threads for n in (1, 3, 16)] == [8, 2, 1]
    assert ServiceSettings(workers=3, threads=5).n_threads == 5


def test_requests_are_answered_under_loopback_names_and_those_that_are_allowed():
    assert ServiceSettings().hosts == {"localhost", "127.0.0.1", "[::1]"}
    assert "[fe80::1]" in ServiceSettings(host="fe80::1").hosts
    assert "faces.example" in ServiceSettings(allow_host=["Faces.example"]).hosts
    assert ServiceSettings(allow_host=["*"]).hosts is None
    assert ServiceSettings(host="0.0.0.0").hosts == ServiceSettings(host="::").hosts
    assert ServiceSettings(host="::").hosts == ServiceSettings().hosts


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert ServiceSettings().token() is None
    monkeypatch.setenv(TOKEN_VARIABLE, "from-variable\n")
    assert ServiceSettings().token() == "from-variable"
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert ServiceSettings(token_file=file).token() == "from-file"


@pytest.mark.parametrize("text", ["", "two words", "schlüssel", "a\nb"])
def test_a_token_that_no_header_can_hold_is_refused(tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="expected a token of visible ASCII letters"):
        ServiceSettings(token_file=file).token()


def test_a_token_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match="none"):
        ServiceSettings(token_file=tmp_path / "none").token()
