"""Every kind of picture file that people have, good and bad."""

import contextlib
import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from dan import images
from dan.errors import DataError, ImageError, ShapeError
from dan.images import encode_png, list_images, read_grey, read_rgb, write_png

GREY = np.add.outer(np.arange(24) * 4, np.arange(32) * 2).astype(np.uint8)  # 24 rows, 32 columns
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)
LUMA = np.round(RGB @ [0.299, 0.587, 0.114])


def test_grey_png_is_read_exactly(tmp_path):
    write_png(tmp_path / "a.png", GREY)
    assert np.array_equal(read_grey(tmp_path / "a.png"), GREY)


def test_colour_png_is_written_and_read_as_rgb(tmp_path):
    write_png(tmp_path / "a.png", RGB)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), RGB)
    assert np.abs(read_grey(tmp_path / "a.png") - LUMA).max() <= 1


def test_colour_jpeg_is_read_as_opencv_does(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", quality=95)
    wanted = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(read_grey(tmp_path / "a.jpg"), wanted)


def test_cmyk_jpeg(tmp_path):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert np.abs(read_grey(tmp_path / "a.jpg") - LUMA).mean() < 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_keeps_the_upper_byte(tmp_path, suffix):
    levels = GREY.astype(np.uint16) * 256 + 77
    Image.fromarray(levels).save(tmp_path / f"a.{suffix}")
    assert np.array_equal(read_grey(tmp_path / f"a.{suffix}"), GREY)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bit_counts_as_16_bit_and_is_cut_off(tmp_path, kind):
    levels = GREY.astype(kind) * 256
    levels[0, :3] = [-70_000, 70_000, 65_535]
    Image.fromarray(levels).save(tmp_path / "a.tif")
    grey = read_grey(tmp_path / "a.tif")
    assert grey[0, :3].tolist() == [0, 255, 255]
    assert np.array_equal(grey[1:], GREY[1:])


def test_transparent_parts_lie_on_white(tmp_path):
    rgba = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])
    rgba[:12, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    grey = read_grey(tmp_path / "a.png")
    assert (grey[:12] == 255).all()
    assert np.abs(grey[12:] - LUMA[12:]).max() <= 1


def test_palette_png(tmp_path):
    Image.fromarray(GREY).convert("P").save(tmp_path / "a.png")
    assert np.array_equal(read_grey(tmp_path / "a.png"), GREY)


@pytest.mark.parametrize("read", [read_grey, read_rgb])
def test_exif_orientation_is_honoured(tmp_path, read):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=exif, quality=98)
    upright = read(tmp_path / "a.jpg")
    assert upright.shape[:2] == (32, 24)
    wanted = np.rot90(GREY, -1).astype(int)
    shown = upright if upright.ndim == 2 else upright[..., 0]
    assert np.abs(shown - wanted).mean() < 2


def test_colour_jpeg_is_turned_upright_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif, quality=98, subsampling=0)
    assert np.abs(read_grey(tmp_path / "a.jpg") - np.rot90(LUMA, -1)).mean() < 1


@pytest.mark.parametrize("read", [read_grey, read_rgb])
def test_what_was_read_can_be_drawn_on(tmp_path, read):
    write_png(tmp_path / "a.png", GREY)
    image = read(tmp_path / "a.png")
    image[0, 0] = 9
    assert (image[0, 0] == 9).all()


def test_overlapping_threads_leave_the_warnings_as_they_were(tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(2)]
    for path in paths:
        write_png(path, GREY)
    before = list(warnings.filters)
    # First in, first out: the order in which catch_warnings alone restores the wrong list.
    first, second = (images._opened(path) for path in paths)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        one.submit(first.__enter__).result()
        two.submit(second.__enter__).result()
        one.submit(first.__exit__, None, None, None).result()
        assert warnings.filters[0][0] == "ignore"
        two.submit(second.__exit__, None, None, None).result()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("shape", [(4, 0), (0, 4, 3), (4, 4, 2), (4,)])
def test_what_is_no_picture_is_not_written(tmp_path, shape):
    with pytest.raises(ShapeError, match="image: expected"):
        encode_png(np.zeros(shape, np.uint8))


def bomb_png() -> bytes:
    """A small PNG file that says it is 30,000 x 30,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def bad_file(kind: str, path) -> None:
    Image.fromarray(RGB.repeat(8, axis=0).repeat(8, axis=1)).save(path)
    whole = path.read_bytes()
    contents = {
        "missing": None,
        "empty": b"",
        "text": b"this is no picture\n",
        "cut in half": whole[: len(whole) // 2],
        "header only": whole[:60],
        "bomb": bomb_png(),
    }[kind]
    path.unlink()
    if contents is not None:
        path.write_bytes(contents)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut in half", "header only", "bomb"])
@pytest.mark.parametrize("read", [read_grey, read_rgb])
def test_bad_files_are_named_in_one_line(tmp_path, kind, suffix, read):
    path = tmp_path / f"a.{suffix}"
    bad_file(kind, path)
    with pytest.raises(ImageError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_pictures_above_the_limit_are_refused(tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", GREY)
    monkeypatch.setattr(images, "MAX_PIXELS", 700)
    with pytest.raises(ImageError, match="expected at most 700 pixels, got 32 x 24"):
        read_grey(tmp_path / "a.png")


def test_list_images_by_name_and_kind(tmp_path):
    for name in ("b.PNG", "a.jpg", "c.txt", "d.jpeg"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG", "d.jpeg"]


def test_list_images_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="expected images, found none"):
        list_images(tmp_path)
    with pytest.raises(DataError, match="expected a folder of images"):
        list_images(tmp_path / "none")


def test_large_pictures_are_taken_out_in_strips(tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", RGB)
    for pixels in (1, 100, 32 * 24):
        monkeypatch.setattr(images, "_STRIP_PIXELS", pixels)
        assert np.array_equal(read_rgb(tmp_path / "a.png"), RGB)


def test_no_program_is_started_for_a_postscript_file(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", format="EPS")
    with pytest.raises(ImageError, match=r"a\.jpg: expected a picture"):
        read_rgb(tmp_path / "a.jpg")


FORMATS = ["JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF"]


@pytest.mark.parametrize("kind", FORMATS)
def test_damage_of_any_kind_is_told_as_such(tmp_path, kind):
    """Random damage: whatever the decoders raise arrives as one error, or a picture does."""
    buffer = io.BytesIO()
    try:
        Image.fromarray(RGB).save(buffer, kind)
    except (KeyError, OSError):
        pytest.skip("this Pillow cannot write it")
    whole, rng, path = buffer.getvalue(), np.random.default_rng(0), tmp_path / "a"
    for turn in range(60):
        data = bytearray(whole[: rng.integers(1, len(whole)) if turn % 3 == 0 else None])
        for place in rng.integers(0, min(len(data), 300), turn % 4):
            data[place] = rng.choice([0, 255, rng.integers(256)])
        path.write_bytes(data)
        with contextlib.suppress(ImageError):
            assert read_rgb(path).ndim == 3
