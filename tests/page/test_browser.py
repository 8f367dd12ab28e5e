"""The page in a real browser: Debian's Chromium, without a window."""

import io
import json
import re
from itertools import pairwise

import cv2
import numpy as np
import pytest
from helpers import PORTRAIT
from PIL import Image

import dan
from dan.core.images import read_rgb
from dan.datasets.formats.pts import parse_pts
from dan.inference.face_rows import COLUMNS
from dan.video.reader import VideoReader
from dan.video.rows import KEYS
from dan.video.tracker import FaceTracker

pytestmark = pytest.mark.slow

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PERMITTED = {"permissions": ["clipboard-read", "clipboard-write"]}
CLIP = ("brother.mkv", 40)


@pytest.fixture(scope="module")
def faces():
    """Of the portrait, as Python finds them."""
    return dan.FaceAligner(threads=1)(PORTRAIT)


def copied(page, kind):
    page.click(f"[data-take={kind}]")
    page.wait_for_selector("#state:has-text('copied')")
    return page.evaluate("navigator.clipboard.readText()")


def give(page, *paths):
    page.set_input_files("#files", paths)
    page.wait_for_selector(".face")


def check_against(record, faces):
    found = np.array([face["points_xy"] for face in record["faces"]])
    off = np.linalg.norm(found - faces.points_xy, axis=2)
    assert off.max() < 0.5  # what is left: the int8 network rounds differently in WebAssembly
    confidence = [face["confidence"] for face in record["faces"]]
    np.testing.assert_allclose(confidence, faces.confidence, atol=0.02)


def test_the_portrait_is_where_python_finds_it(open_page, faces):
    with open_page(context=PERMITTED) as (page, site):
        assert page.evaluate("crossOriginIsolated")
        give(page, PORTRAIT)
        record = json.loads(copied(page, "json"))
        check_against(record, faces)
        wanted = {"file": "portrait.jpg", "name": "portrait", "size_wh": [512, 512]}
        assert record.items() >= (wanted | {"scheme": "face68"}).items()
        assert set(record["faces"][0]) == set(faces.to_dict(certainty=True)["faces"][0])
        points = parse_pts(copied(page, "pts"))
        np.testing.assert_allclose(points, record["faces"][0]["points_xy"], atol=1e-3)
        header, row = (line.split(",") for line in copied(page, "csv").splitlines())
        assert header[:9] == ["file", "face", *COLUMNS, "x0"]
        assert np.float64(row[8:]).tolist() == np.ravel(record["faces"][0]["points_xy"]).tolist()
        assert page.inner_text("#count") == "1 face."
        assert re.fullmatch(r"[\d.]+ ms", page.inner_text("#ms-total"))
        assert site.posted == []


def test_each_point_tells_its_certainty(open_page, faces):
    with open_page(context=PERMITTED) as (page, _):
        give(page, PORTRAIT)
        page.check("[name=ellipses]")
        (face,) = json.loads(copied(page, "json"))["faces"]
    wanted = faces[0].to_dict(certainty=True)
    for name in ("covariance", "visibility"):
        np.testing.assert_allclose(face[name], wanted[name], rtol=0.1, atol=0.2)


def test_without_isolation_it_works_on_one_thread(open_page, faces):
    with open_page(headers={}, context=PERMITTED) as (page, _):
        assert not page.evaluate("crossOriginIsolated")
        page.click("#sample")
        page.wait_for_selector(".face")
        check_against(json.loads(copied(page, "json")), faces)
        assert "1 thread (more need an isolated page)" in page.inner_text("#speed-note")


def test_a_turned_picture_is_found_by_its_exif_entry(open_page, faces, tmp_path):
    image = Image.open(PORTRAIT)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with open_page(context=PERMITTED) as (page, _):
        give(page, tmp_path / "turned.jpg")
        record = json.loads(copied(page, "json"))
        wanted = dan.FaceAligner(threads=1)(tmp_path / "turned.jpg")
        check_against(record, wanted)


def test_several_pictures_and_one_that_is_none(open_page, tmp_path):
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    plain = tmp_path / "plain.png"
    Image.new("RGB", (300, 200), "teal").save(plain)
    with open_page() as (page, _):
        give(page, PORTRAIT)
        page.set_input_files("#files", [tmp_path / "none.jpg", plain])
        page.wait_for_selector("#strip li:nth-child(2)")
        page.wait_for_selector("#count:has-text('No face found.')")
        said = "none.jpg: expected a picture that this browser can read"
        assert page.inner_text("#fault") == said
        page.click("#strip li:first-child button")
        page.wait_for_selector(".face")


def test_everything_can_be_reached_by_keyboard_and_has_a_name(open_page):
    with open_page() as (page, _):
        give(page, PORTRAIT)
        seen = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.add(
                page.evaluate(
                    "(e => e.id || e.name || e.dataset.take || e.className)(document.activeElement)"
                )
            )
            assert page.evaluate(
                """(e => {
                    const names = [e.getAttribute('aria-label'), e.textContent, e.title,
                                   ...[...(e.labels ?? [])].map((label) => label.textContent)];
                    return e === document.body || names.some((name) => name?.trim());
                })(document.activeElement)"""
            )
        wanted = {"files", "camera", "sample", "json", "csv", "pts", "png", "points", "least"}
        assert wanted <= seen


def test_the_drawn_picture_has_the_size_of_the_picture(open_page, tmp_path):
    with open_page() as (page, _):
        give(page, PORTRAIT)
        with page.expect_download() as download:
            page.click("[data-take=png]")
        assert download.value.suggested_filename == "portrait-landmarks.png"
        download.value.save_as(tmp_path / "drawn.png")
    drawn, plain = read_rgb(tmp_path / "drawn.png").astype(int), read_rgb(PORTRAIT).astype(int)
    assert drawn.shape == plain.shape
    changed = np.abs(drawn - plain).max(axis=2) > 40
    assert 50 < changed[90:178, 175:275].sum() < 4000  # on the face
    assert changed[300:].sum() == 0


def test_the_server_is_asked_where_the_user_wants_it(open_page, faces, tmp_path):
    record = {"file": "", "name": "", "size_wh": [512, 512], **faces.to_dict()}
    answer = (200, "application/json", json.dumps(record).encode())
    with open_page(context=PERMITTED, answer=answer) as (page, site):
        page.check("[name=server]")
        assert page.inner_text("#where").startswith("Pictures are sent to 127.0.0.1")
        give(page, PORTRAIT)
        assert json.loads(copied(page, "json"))["faces"] == record["faces"]
        assert site.posted == [PORTRAIT.read_bytes()]
        Image.open(PORTRAIT).save(tmp_path / "portrait.bmp")  # a kind that the server does not take
        page.set_input_files("#files", tmp_path / "portrait.bmp")
        page.wait_for_selector("#strip li:nth-child(2)")
        page.wait_for_selector("#state:has-text('Ready')")
        assert Image.open(io.BytesIO(site.posted[1])).format == "JPEG"
        page.uncheck("[name=server]")
        assert page.inner_text("#where").startswith("Everything runs in this browser.")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(open_page, width):
    with open_page(context={"viewport": {"width": width, "height": 800}}) as (page, _):
        give(page, PORTRAIT)
        assert page.evaluate("document.documentElement.scrollWidth") == width


# ------------------------------------------------------------------------------------- frames


def moving_portrait():
    """(320, 320) windows that move over the portrait; three of them black."""
    rgb = read_rgb(PORTRAIT)
    for step in range(16):
        x, y = 30 + 4 * step, 10 + step
        window = rgb[y : y + 320, x : x + 320]
        yield np.zeros_like(window) if step in (9, 10, 11) else np.ascontiguousarray(window)


def clip(folder):
    name, n_frames = CLIP
    with VideoReader(folder / name) as video:
        for frame in video:
            if frame.number == n_frames:
                return
            yield frame.rgb


def write_y4m(path, frames):
    """An uncompressed video, as Chromium's fake camera plays it, over and over.

    It is slow, so that a busy machine does not see faces jump from place to place.
    """
    with path.open("wb") as file:
        for number, rgb in enumerate(frames):
            if not number:
                file.write(b"YUV4MPEG2 W%d H%d F3:1 Ip A1:1 C420\n" % rgb.shape[1::-1])
            file.write(b"FRAME\n" + cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).tobytes())


FOLLOW = """async ({ count, stepS }) => {
    const { Engine } = await import("./js/engine.js");
    const engine = new Engine();
    const { facts } = await engine.start();
    const frames = [];
    for (let i = 0; i < count; i += 1) {
        const blob = await (await fetch(`frame${i}.jpg`)).blob();
        const bitmap = await createImageBitmap(blob);
        const said = { bitmap, timeS: i * stepS, isSmooth: true, size: facts.finder.size };
        const { faces } = await engine.ask("track", said);
        frames.push(faces.map(({ id, points }) => ({ id, points: Array.from(points) })));
    }
    return frames;
}"""


def check_following(open_page, frames):
    """The page's tracker finds what Python's finds, under the same ids."""
    coded = [cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1] for rgb in frames]
    more = {f"frame{number}.jpg": data.tobytes() for number, data in enumerate(coded)}
    tracker = FaceTracker(dan.FaceAligner(threads=1))
    wanted = [tracker.update(rgb, number / 25) for number, rgb in enumerate(frames)]
    with open_page(more=more) as (page, _):
        found = page.evaluate(FOLLOW, {"count": len(frames), "stepS": 1 / 25})
    for faces, others in zip(wanted, found, strict=True):
        assert faces.ids.tolist() == [face["id"] for face in others]
        for face, other in zip(faces, others, strict=True):
            off = np.reshape(other["points"], (-1, 2)) - face.points_xy
            off = np.linalg.norm(off, axis=1)
            assert off.mean() < 0.3  # the int8 network rounds differently in WebAssembly
            assert off.max() < 1
    return wanted


def test_the_tracker_is_that_of_python(open_page):
    wanted = check_following(open_page, list(moving_portrait()))
    assert [len(faces) for faces in wanted] == [1] * 9 + [0] * 3 + [1] * 4
    assert tracker_ids(wanted) == {1}


def test_the_tracker_is_that_of_python_on_a_clip(open_page, shared_videos):
    wanted = check_following(open_page, list(clip(shared_videos)))
    assert tracker_ids(wanted)


def tracker_ids(faces):
    return {int(id_) for each in faces for id_ in each.ids}


def record_camera(open_page, y4m, n_rows, tmp_path):
    """So many rows of a session's table, and those that come meanwhile, with the fake camera."""
    arguments = (*CAMERA, f"--use-file-for-fake-video-capture={y4m}")
    with open_page(*arguments) as (page, _):
        page.click("#camera")
        page.wait_for_selector(".face")
        page.click("#record")
        while int(page.get_attribute("#record", "data-rows")) < n_rows:
            page.wait_for_timeout(200)
        assert re.fullmatch(r"[\d.]+ / s", page.inner_text("#fps"))
        with page.expect_download() as download:
            page.click("#record")
        download.value.save_as(tmp_path / "session.csv")
        page.click("#camera")
        assert page.inner_text("#camera") == "Use the camera"
    header, *lines = (tmp_path / "session.csv").read_text().splitlines()
    assert header.split(",")[:10] == [*KEYS, *COLUMNS, "x0"]
    return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def test_a_camera_is_followed_under_one_id(open_page, tmp_path):
    frames = [rgb for rgb in moving_portrait() if rgb.any()]
    write_y4m(tmp_path / "camera.y4m", [*frames, *frames[::-1]])
    rows = record_camera(open_page, tmp_path / "camera.y4m", 6, tmp_path)
    assert len(rows) >= 6
    assert {row["id"] for row in rows} == {"1"}
    assert all(float(one["time_s"]) < float(other["time_s"]) for one, other in pairwise(rows))


def test_a_clip_is_followed_under_steady_ids(open_page, shared_videos, tmp_path):
    frames = list(clip(shared_videos))
    write_y4m(tmp_path / "camera.y4m", [*frames, *frames[::-1]])
    rows = record_camera(open_page, tmp_path / "camera.y4m", 12, tmp_path)
    assert {row["id"] for row in rows} == {"1"}
    assert len({row["frame"] for row in rows}) == len(rows) >= 12


def test_a_camera_that_is_refused_is_told_in_one_line(open_page):
    with open_page("--use-fake-device-for-media-stream", "--deny-permission-prompts") as (page, _):
        page.click("#camera")
        page.wait_for_selector("#fault:not([hidden])")
        assert page.inner_text("#fault").startswith("The camera cannot be opened: ")
