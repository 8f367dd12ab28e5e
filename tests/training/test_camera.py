import io
import math

import cv2
import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from dan.training.camera import (
    PHOTONS,
    READ_NOISE,
    Recording,
    darkened,
    gaussian_blur,
    jpeg,
    line_kernels,
    motion_blur,
    quantisation_steps,
)


def test_blur_of_nothing_is_the_identity_and_keeps_the_mean():
    images = torch.rand(2, 1, 24, 24)
    blurred = gaussian_blur(images, torch.tensor([0.0, 1.2]))
    torch.testing.assert_close(blurred[0], images[0], atol=1e-6, rtol=0)
    assert blurred[1].std() < 0.7 * images[1].std()
    flat = gaussian_blur(torch.full((1, 1, 24, 24), 0.3), torch.tensor([1.5]))
    torch.testing.assert_close(flat, torch.full((1, 1, 24, 24), 0.3))


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 2.5])
def test_a_line_kernel_sums_to_one_and_lies_even_about_its_centre(angle):
    kernels = line_kernels(torch.tensor([0.0, 3.0, 8.0]), torch.full((3,), angle), 5)
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(3))
    torch.testing.assert_close(kernels, kernels.flip(1, 2))
    assert kernels[0, 5, 5] == pytest.approx(1)  # of no length: nothing but the centre


def test_motion_spreads_a_point_along_its_line():
    dots = torch.zeros(3, 1, 15, 15)
    dots[:, :, 7, 6] = 1.0  # y, x
    lengths, angles = torch.tensor([4.0, 4.0, 6.0]), torch.tensor([0, math.pi / 2, math.pi / 4])
    across, down, aslant = motion_blur(dots, lengths, angles, longest=6.0)[:, 0]
    line = torch.tensor([0.125, 0.25, 0.25, 0.25, 0.125])
    torch.testing.assert_close(across[7, 4:9], line)
    torch.testing.assert_close(down[5:10, 6], line)
    assert across.count_nonzero() == 5
    # y grows downwards: from the upper left to the lower right
    assert aslant[9, 8] == aslant[5, 4] > 0
    assert aslant[9, 4] == aslant[5, 8] == 0


def test_a_recording_of_the_same_size_loses_nothing():
    images = torch.rand(3, 1, 21, 21)
    recording = Recording.of(21, torch.ones(3), torch.tensor([0.0, 0.4, 0.99]))
    small = recording.shrunk(images)
    assert small.shape == (3, 1, 32, 32)
    assert torch.equal(small[1, :, 3:24, 3:24], images[1])
    assert torch.equal(recording.enlarged(small), images)


def test_a_small_recording_shifts_nothing_and_shows_means():
    size, ones = 48, torch.ones(2)
    recording = Recording.of(size, ones * 0.5, torch.tensor([0.0, 0.37]))
    ramp = (torch.arange(size) / size).expand(2, 1, size, size)
    inner = recording.enlarged(recording.shrunk(ramp))[..., 6:-6]
    torch.testing.assert_close(inner, ramp[..., 6:-6], atol=1e-5, rtol=0)
    stripes = (torch.arange(size) % 2.0).expand(2, 1, size, size)
    inner = recording.enlarged(recording.shrunk(stripes))[..., 6:-6]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5))


def test_a_face_of_few_pixels_keeps_few_numbers():
    images = torch.rand(1, 1, 64, 64)
    small = Recording.of(64, torch.tensor([0.125]), torch.zeros(1)).shrunk(images)
    assert torch.equal(small[0, 0, 8:], small[0, 0, 8].expand(64, 72))  # the edge repeats
    assert len(small[0, 0, :8, :8].unique()) == 64


def test_darkness_is_noisier_the_less_light_is_left():
    grey = torch.full((3, 1, 4, 4), 0.5)
    stops, none = torch.tensor([0.0, 2.0, 4.0]), torch.zeros(3, 1, 4, 4)
    still = darkened(grey, stops, torch.zeros(3), none)
    wanted = 0.5 * 2 ** (-stops / 2.2)
    torch.testing.assert_close(still[:, 0, 0, 0], wanted)
    amplified = darkened(grey, stops, stops, none + 1)[:, 0, 0, 0]  # each one deviation off
    light = 0.5**2.2 / 2**stops
    off = (light + (light / PHOTONS + READ_NOISE**2).sqrt()) / light
    torch.testing.assert_close(amplified, 0.5 * off ** (1 / 2.2))
    assert (amplified.diff() > 0.01).all()


def test_flat_jpeg_blocks_stay_where_the_first_coefficient_can_say_their_level():
    # At quality 50 the mean level of a block has steps of 16 / 8 = 2 about 128, at 25 of 4.
    levels = torch.tensor([0, 100, 128, 130, 254, 131]) / 255
    images = levels.view(-1, 1, 1, 1).expand(-1, 1, 16, 16)
    coded = jpeg(images, torch.tensor([50.0, 50, 50, 50, 50, 25]))
    torch.testing.assert_close(coded[:5], images[:5])
    torch.testing.assert_close(coded[5], images[5] + 1 / 255)


def test_jpeg_steps_are_those_of_a_jpeg_library():
    for quality in (1, 10, 37, 49, 50, 75, 95, 100):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            wanted = torch.tensor(image.quantization[0]).view(8, 8)
        assert torch.equal(quantisation_steps(torch.tensor([quality + 0.0]))[0], wanted + 0.0)


@pytest.mark.parametrize("quality", [10, 50, 75])
def test_jpeg_blocks_are_those_of_a_jpeg_library(quality):
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48))
    picture = cv2.add(smooth, rng.integers(0, 20, (48, 48)).astype(np.uint8))
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    wanted = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32)
    images = torch.from_numpy(picture)[None, None] / 255
    found = 255 * jpeg(images, torch.tensor([float(quality)]))[0, 0].numpy()
    off, change = np.abs(found - wanted).mean(), np.abs(picture - wanted).mean()
    assert off < 0.1 * change  # the library transforms in whole numbers, so some roundings differ
