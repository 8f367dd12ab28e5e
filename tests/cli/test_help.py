"""The help, and what the parser says about a command line."""

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["align", "x.jpg", "-f", "foo"],
            "--format: expected one of pts, csv, coco, openface, pyfeat, parquet, got foo",
        ),
        (["align", "x.jpg", "--passes", "0"], "--passes: expected at least 1, got 0"),
        (["align", "x.jpg", "--passes", "two"], "--passes: expected a whole number, got two"),
        (["align", "x", "--min-confidence", "2"], "--min-confidence: expected at most 1, got 2"),
        (["align", "x", "--min-confidence", "a"], "--min-confidence: expected a number, got a"),
        (["evaluate", "m", "x", "--protocol", "foo"], "--protocol: expected 300w, got foo"),
        (["track"], "Missing argument 'video'."),
    ],
)
def test_a_wrong_option_is_one_line_in_our_words(dan, words, said):
    done = dan(*words)
    assert (done.code, done.err) == (2, f"dan: {said}\n")


@pytest.mark.parametrize("words", [[], ["align"], ["data"], ["data", "check"], ["prepare"]])
def test_flags_have_no_type_in_the_help(dan, words):
    done = dan(*words, "--help")
    assert done.code == 0
    assert "--help" in done.out
    assert "bool" not in done.out


def test_commands_are_grouped_in_the_order_people_need_them(dan):
    text = dan("--help").out
    titles = ["Find landmarks", "Data", "Train and score", "Older programs"]
    places = [text.index(f" {title} ─") for title in titles]
    assert places == sorted(places)
    assert text.index(" align ") < places[1] < text.index(" scheme ") < places[2]
    assert places[3] < text.index(" merge ") < text.index(" import-theano ")


def test_info_is_markdown_in_a_file_and_rendered_on_a_terminal(dan, monkeypatch):
    assert "**Boxes.** " in dan("info").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    shown = dan("info").out
    assert "Boxes." in shown
    assert [mark for mark in ("**", "| ---", "# dan68-fast") if mark in shown] == []
