"""What each route answers."""

import base64
import json
import logging

import msgspec
import numpy as np
import pytest

from dan.service.schemas import BatchResults, Failure, Models, PictureRecord

FAST = "dan68-fast"


def lines(*pictures):
    return b"\n".join(
        json.dumps({**one, "picture": base64.b64encode(one["picture"]).decode()}).encode()
        if isinstance(one, dict)
        else one
        for one in pictures
    )


# -------------------------------------------------------------------------------- one picture


def test_a_picture_has_the_record_of_dan_align(client, portrait, portrait_path, dan):
    answer = client(body=portrait)
    assert answer.status == 200
    told = json.loads(dan("align", str(portrait_path), "--json").out)
    del told["file"], told["name"]
    assert answer.json == told
    assert len(told["faces"]) == 1


def test_the_record_is_what_the_schema_says(client, portrait):
    for query in (
        "",
        "?pose=1",
        "?certainty=true",
        f"?model={FAST}&max_faces=1&passes=2&min_confidence=0.5",
    ):
        msgspec.json.decode(client(f"/v1/align{query}", portrait).body, type=PictureRecord)


def test_the_pose_is_that_of_the_library(client, portrait, portrait_path):
    import dan

    (face,) = client("/v1/align?pose=1", portrait).json["faces"]
    (pose,) = dan.FaceAligner()(portrait_path).poses()
    found = [face["pose"][name] for name in ("yaw_deg", "pitch_deg", "roll_deg")]
    assert found == pytest.approx(pose.yaw_pitch_roll_deg, abs=0.01)


def test_the_certainty_of_points_comes_on_request(client, portrait):
    (face,) = client("/v1/align?certainty=1", portrait).json["faces"]
    assert np.shape(face["covariance"]) == (68, 3)  # xx, xy, yy
    assert np.shape(face["visibility"]) == (68,)
    (plain,) = client("/v1/align", portrait).json["faces"]
    assert face.keys() - plain.keys() == {"covariance", "visibility"}


def test_the_least_confidence_and_the_number_of_faces_count(client, portrait):
    assert len(client("/v1/align?min_confidence=0.9", portrait).json["faces"]) == 1
    assert client("/v1/align?min_confidence=1", portrait).json["faces"] == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("passes=0", "passes: expected a whole number >= 1, got '0'"),
        ("passes=5", "passes: expected a whole number <= 4, got '5'"),
        ("passes=two", "passes: expected a whole number, got 'two'"),
        ("max_faces=0", "max_faces: expected a whole number >= 1, got '0'"),
        ("min_confidence=1.5", "min_confidence: expected a number <= 1, got '1.5'"),
        ("min_confidence=nan", "min_confidence: expected"),
        ("certainty=perhaps", "certainty: expected true or false, got 'perhaps'"),
        ("model=none", f"model: expected one of {FAST}, got 'none'"),
        ("url=http://x", "url: unknown parameter; known: model, max_faces, min_confidence, passes"),
        ("pose=1&pose=1", "expected each parameter once, got one twice"),
    ],
)
def test_a_bad_parameter_is_told_in_one_line(client, portrait, query, said):
    answer = client(f"/v1/align?{query}", portrait)
    assert (answer.status, answer.code) == (400, "bad_query")
    assert answer.json["error"]["message"].startswith(said)
    assert "\n" not in answer.json["error"]["message"]


# -------------------------------------------------------------------------------- several


def test_each_picture_of_a_batch_has_a_result_of_its_own(client, portrait):
    body = lines(
        {"picture": portrait, "name": "a.jpg"},
        b"{",
        {"picture": portrait[:2000]},
        {"picture": b"GIF89a", "name": "c.gif"},
        {"picture": portrait, "path": "/etc/passwd"},
        {"picture": portrait},
    )
    answer = client("/v1/align-many", body, "application/x-ndjson")
    assert answer.status == 200
    msgspec.json.decode(answer.body, type=BatchResults)
    first, *bad, last = answer.json["results"]
    assert first == {"name": "a.jpg", **client(body=portrait).json}
    assert last == client(body=portrait).json
    codes = ["bad_line", "unreadable_picture", "unsupported_picture", "bad_line"]
    assert [each["code"] for each in bad] == codes
    assert [each.get("name") for each in bad] == [None, None, "c.gif", None]
    assert all(each["error"] and "faces" not in each for each in bad)


@pytest.mark.parametrize(
    "line",
    [b'{"pict\xafre": ""}', b'{"picture": "", "name": "' + b"n" * 90 + b'\xeb"}', b"[" * 99_999],
)
def test_a_line_that_is_no_text_is_told_as_such(client, line):
    (result,) = client("/v1/align-many", line, "application/x-ndjson").json["results"]
    assert result["code"] == "bad_line"


def test_a_fault_of_ours_with_one_picture_of_a_batch_spoils_no_other(start, portrait, monkeypatch):
    with start() as broken:
        search = broken.service.engine._search
        monkeypatch.setattr(
            broken.service.engine,
            "_search",
            lambda data, aligner: 1 / 0 if data == b"bad" else search(data, aligner),
        )
        body = lines({"picture": portrait}, {"picture": b"bad"}, {"picture": portrait})
        first, bad, last = broken("/v1/align-many", body, "application/x-ndjson").json["results"]
    assert bad == {"error": "a fault of the service; see its log", "code": "fault"}
    assert first == last
    assert len(first["faces"]) == 1


def test_a_batch_of_too_many_or_none_is_refused(client):
    for body, status, code in (
        (b"{}\n" * 17, 413, "too_many_pictures"),
        (b"\n\n", 400, "empty_body"),
    ):
        answer = client("/v1/align-many", body, "application/x-ndjson")
        assert (answer.status, answer.code) == (status, code)


def test_one_picture_of_a_batch_may_not_be_larger_than_a_picture(start, portrait):
    with start(max_body_mib=0.01) as small:
        body = lines({"picture": portrait})
        answer = small("/v1/align-many", body, "application/x-ndjson")
    assert [one["code"] for one in answer.json["results"]] == ["body_too_large"]


# -------------------------------------------------------------------------------- the others


def test_models_are_told_with_the_default_first(start, portrait):
    with start(model=[FAST, "dan68"]) as two:
        answer = two("/v1/models")
        msgspec.json.decode(answer.body, type=Models)
        assert [one["name"] for one in answer.json["models"]] == [FAST, "dan68"]
        found = [two(f"/v1/align?model={name}", portrait).json for name in (FAST, "dan68")]
        assert two(body=portrait).json == found[0] != found[1]


def test_health_is_told(client):
    for kind in ("live", "ready"):
        assert client(f"/v1/health/{kind}").json == {"status": "ok"}


def test_what_is_not_there_is_told_as_json(client):
    for path, method, status, code in (
        ("/v1/nothing", "GET", 404, "no_such_path"),
        ("/v1/align", "GET", 405, "no_such_method"),
        ("/v1/align/", "GET", 404, "no_such_path"),
    ):
        answer = client(path, method=method)
        assert (answer.status, answer.code) == (status, code)
        msgspec.json.decode(answer.body, type=Failure)


def test_requests_pictures_and_refusals_are_counted(client, portrait):
    ok = 'dan_requests_total{code="200",route="/v1/align"}'
    bad = 'dan_rejected_total{reason="bad_query"}'
    names = (ok, bad, "dan_pictures_total", "dan_faces_total", "dan_batch_faces_count")
    before = [client.metric(name) for name in names]
    client(body=portrait)
    client("/v1/align?passes=0", portrait)
    after = [client.metric(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1, 1]
    assert client.metric("dan_queue_length") == client.metric("dan_buffered_bytes") == 0


def test_the_description_names_every_route_and_parameter(client):
    told = client("/openapi.json").json
    assert set(told["paths"]) == {
        *("/v1/align", "/v1/align-many", "/v1/models", "/v1/health/live", "/v1/health/ready")
    }
    names = [one["name"] for one in told["paths"]["/v1/align"]["post"]["parameters"]]
    assert names == ["model", "max_faces", "min_confidence", "passes", "certainty", "pose"]
    assert "PictureRecord" in told["components"]["schemas"]


def test_a_fault_of_ours_is_told_without_its_cause_and_logged_with_it(
    start, portrait, monkeypatch, caplog
):
    with start() as broken:
        monkeypatch.setattr(broken.service.engine, "_search", lambda *_: 1 / 0)
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            answer = broken(body=portrait)
    assert (answer.status, answer.code) == (500, "fault")
    assert "division" not in answer.body.decode()
    assert "division by zero" in caplog.text
