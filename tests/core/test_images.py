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

from dan.core import image_files, images
from dan.core.errors import DataError, ImageError, ShapeError
from dan.core.image_files import has_avif, is_image_name, list_images, passed_over
from dan.core.images import as_rgb, decode_rgb, encode_png, read_grey, read_rgb, write_png

GREY = np.add.outer(np.arange(24) * 4, np.arange(32) * 2).astype(np.uint8)  # 24 rows, 32 columns
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)
STRETCHED = GREY + 101  # up to 255, as pictures of whatever depth have it
SMOOTH = cv2.resize(RGB, (96, 72), interpolation=cv2.INTER_LINEAR)  # for lossy kinds
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


@pytest.mark.parametrize("kind", [np.int32, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("read", [read_grey, read_rgb])
def test_levels_of_unknown_range_are_refused(tmp_path, read, kind):
    cv2.imwrite(str(tmp_path / "a.tif"), GREY.astype(kind))
    with pytest.raises(ImageError, match=r"a\.tif: expected (levels|a picture) of 8 or 16 bits"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_pictures_of_floats_say_what_they_are(tmp_path, scale):
    Image.fromarray(GREY.astype(np.float32) * scale).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: expected levels .* got floats of 32 bits"):
        read_rgb(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"picture: expected levels .* got floats of 32 bits"):
        as_rgb(Image.fromarray(GREY.astype(np.float32) * scale))
    with pytest.raises(ImageError, match="got whole numbers of 32 bits"):
        as_rgb(Image.fromarray(GREY.astype(np.int32)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_fewer_bits_in_a_file_of_16_are_stretched(tmp_path, bits, suffix):
    levels = STRETCHED.astype(np.uint16) << (bits - 8)
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), levels)
    assert np.array_equal(read_grey(tmp_path / f"a.{suffix}"), STRETCHED)
    assert np.array_equal(as_rgb(levels)[:, :, 1], STRETCHED)
    assert np.array_equal(as_rgb(Image.fromarray(levels))[:, :, 1], STRETCHED)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
def test_so_are_colours(tmp_path, bits, suffix):
    rgb = np.stack([STRETCHED, 255 - STRETCHED, STRETCHED // 2], axis=2)
    levels = rgb.astype(np.uint16) << (bits - 8)
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), levels[:, :, ::-1])
    assert np.abs(read_rgb(tmp_path / f"a.{suffix}").astype(int) - rgb).max() <= 1  # PPM rounds
    assert np.array_equal(as_rgb(levels), rgb)
    assert np.array_equal(as_rgb(levels, "bgr"), rgb[:, :, ::-1])


def test_stretched_colours_keep_their_transparency_and_turn(tmp_path):
    levels = np.dstack([RGB.astype(np.uint16) << 4, np.full(GREY.shape, 65535, np.uint16)])
    levels[:12, :, 3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), levels[:, :, [2, 1, 0, 3]])
    whole = (tmp_path / "a.png").read_bytes()
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    at = whole.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(whole[:at] + png_chunk(b"eXIf", exif) + whole[at:])
    rgb = np.rot90(read_rgb(tmp_path / "a.png"))  # it is shown turned clockwise by a quarter
    assert (rgb[:12] == 255).all()
    assert np.array_equal(rgb[12:], RGB[12:])


def test_dark_pictures_of_8_bits_stay_dark(tmp_path):
    write_png(tmp_path / "a.png", RGB // 8)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), RGB // 8)


def test_pgm_files_state_their_range(tmp_path):
    levels = np.array([[0, 1000, 2047, 4095]], dtype=">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 4 1 4095\n" + levels.tobytes())
    assert read_grey(tmp_path / "a.pgm").tolist() == [[0, 62, 127, 255]]


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


def test_pil_images_count_as_their_pixels_are(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif, quality=98, subsampling=0)
    opened = Image.open(tmp_path / "a.jpg")
    turned = opened.convert("RGB").rotate(270, expand=True)  # and the entry stays
    assert turned.getexif()[0x0112] == 6
    assert np.array_equal(as_rgb(opened), np.asarray(opened))
    assert np.array_equal(as_rgb(turned), np.asarray(turned))
    assert np.array_equal(as_rgb(turned), read_rgb(tmp_path / "a.jpg"))


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
    first, second = (images._opened_file(path) for path in paths)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        one.submit(first.__enter__).result()
        two.submit(second.__enter__).result()
        one.submit(first.__exit__, None, None, None).result()
        assert warnings.filters[0][0] == "ignore"
        two.submit(second.__exit__, None, None, None).result()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("kind", [bool, float, np.int64, np.uint16, object])
@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3)])
def test_what_is_no_grey_level_is_not_written(shape, kind):
    with pytest.raises(ShapeError, match="image: expected uint8 levels, got"):
        encode_png(np.zeros(shape, kind))


@pytest.mark.parametrize("shape", [(4, 0), (0, 4, 3), (4, 4, 2), (4,)])
def test_what_is_no_picture_is_not_written(tmp_path, shape):
    with pytest.raises(ShapeError, match="image: expected"):
        encode_png(np.zeros(shape, np.uint8))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb_png() -> bytes:
    """A small PNG file that says it is 30,000 x 30,000."""

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")


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


def test_content_is_decoded_like_files(tmp_path):
    image = np.random.default_rng(1).integers(0, 1 << 12, (9, 7, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), image)
    data = (tmp_path / "deep.png").read_bytes()
    assert np.array_equal(decode_rgb(data), read_rgb(tmp_path / "deep.png"))
    with pytest.raises(ImageError, match=r"^a\.png: expected at most 62 pixels, got 7 x 9$"):
        decode_rgb(data, "a.png", max_pixels=62)
    with pytest.raises(ImageError, match=r"^picture: expected a picture of 8 or 16 bits, got"):
        decode_rgb(data, formats=["JPEG"])


KINDS = [
    *[("JPEG", suffix) for suffix in ("jpe", "jfif", "JPG")],
    *[("PPM", suffix) for suffix in ("ppm", "pgm", "pnm")],
    *[("JPEG2000", suffix) for suffix in ("jp2", "j2k", "jpx")],
    *[("MPO", "mpo"), ("MPO", "jpg"), ("TGA", "tga"), ("DIB", "dib"), ("AVIF", "avif")],
    *[("HEIF", suffix) for suffix in ("heic", "HEIC", "heif", "hif", "jpg")],
]


@pytest.mark.parametrize(("kind", "suffix"), KINDS)
def test_kinds_of_pictures(tmp_path, kind, suffix):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    if kind == "AVIF" and not has_avif():
        pytest.skip("this Pillow has no AVIF")
    grey = suffix == "pgm"
    shown = Image.fromarray(SMOOTH if not grey else SMOOTH[:, :, 0])
    shown.save(tmp_path / f"a.{suffix}", kind)
    assert is_image_name(tmp_path / f"a.{suffix}")
    read = read_rgb(tmp_path / f"a.{suffix}").astype(int)
    assert np.abs(read - (SMOOTH[:, :, :1] if grey else SMOOTH)).mean() < 4


def test_a_phone_turns_its_heic(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(SMOOTH).save(tmp_path / "a.heic", exif=exif.tobytes())
    turned = np.rot90(SMOOTH, -1).astype(int)
    assert np.abs(read_rgb(tmp_path / "a.heic") - turned).mean() < 4


def test_pbm(tmp_path):
    (tmp_path / "a.pbm").write_bytes(b"P4 8 1\n\x0f")
    assert read_grey(tmp_path / "a.pbm").tolist() == [[255] * 4 + [0] * 4]


@pytest.mark.parametrize(
    ("brand", "question", "message"),
    [
        (b"heic", "has_heic", "HEIC needs a plugin: pip install"),
        (b"mif1", "has_heic", "HEIC needs a plugin: pip install"),
        (b"avif", "has_avif", "AVIF needs Pillow 11.3 or newer"),
    ],
)
@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "a.jpg"])
def test_what_is_missing_is_told(tmp_path, monkeypatch, brand, question, message, name):
    monkeypatch.setattr(image_files, question, lambda: False)
    (tmp_path / name).write_bytes(b"\0\0\0\x1cftyp" + brand + bytes(400))
    with pytest.raises(ImageError, match=f"{name}: {message}"):
        read_rgb(tmp_path / name)


def test_damaged_heic_is_no_missing_plugin(tmp_path):
    pytest.importorskip("pillow_heif")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x1cftypheic" + bytes(400))
    with pytest.raises(ImageError, match=r"a\.heic: (?!HEIC needs)"):
        read_rgb(tmp_path / "a.heic")


def test_what_is_passed_over_is_counted_by_suffix(tmp_path):
    names = ["a.jpg", "b.CR2", "c.cr2", "x/d.mp4", "e", "f.pts", "notes.txt", ".DS_Store"]
    for name in [*names, ".git/g.cr2", "out/h.svg"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    told = passed_over([tmp_path], leave_out=tmp_path / "out")
    assert told == "2 .cr2, 1 without suffix, 1 .mp4"
    assert passed_over([tmp_path, tmp_path, f"{tmp_path}/*.cr2"]).startswith("2 .cr2, ")
    assert passed_over([f"{tmp_path}/*.CR2"]) == "1 .cr2"
    assert passed_over([f"{tmp_path}/b.CR2", tmp_path / "none", f"{tmp_path}/*.jpg", "\0"]) is None


def test_the_line_of_what_is_passed_over_stays_short(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "image_suffixes", lambda: frozenset({".jpg"}))
    for number in range(9):
        (tmp_path / f"a.x{number}").write_bytes(b"")
    for name in ("a.heic", "b.heif", "c.heic"):
        (tmp_path / name).write_bytes(b"")
    shown = "2 .heic, 1 .heif, 1 .x0, 1 .x1, 1 .x2, 1 .x3, 1 .x4, 1 .x5, 3 other kinds"
    assert passed_over([tmp_path]) == f"{shown}; {image_files.HEIC_NEEDS}"


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
        monkeypatch.setattr(images, "STRIP_PIXELS", pixels)
        assert np.array_equal(read_rgb(tmp_path / "a.png"), RGB)


def test_no_program_is_started_for_a_postscript_file(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", format="EPS")
    with pytest.raises(ImageError, match=r"a\.jpg: expected a picture"):
        read_rgb(tmp_path / "a.jpg")


FORMATS = ["JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF", "MPO", "TGA"]


@pytest.mark.parametrize("kind", FORMATS)
def test_damage_of_any_kind_is_told_as_such(tmp_path, kind):
    """Random damage: whatever the decoders raise arrives as one error, or a picture does."""
    buffer = io.BytesIO()
    try:
        Image.fromarray(RGB).save(buffer, kind)
    except (KeyError, OSError):
        pytest.skip("this Pillow cannot write it")
    whole, rng = buffer.getvalue(), np.random.default_rng(0)
    path = tmp_path / f"a.{kind.lower()}"
    for turn in range(60):
        data = bytearray(whole[: rng.integers(1, len(whole)) if turn % 3 == 0 else None])
        for place in rng.integers(0, min(len(data), 300), turn % 4):
            data[place] = rng.choice([0, 255, rng.integers(256)])
        path.write_bytes(data)
        with contextlib.suppress(ImageError):
            assert read_rgb(path).ndim == 3
