"""Many pictures, by several threads."""

import threading
import time
from itertools import count, repeat
from pathlib import Path

import numpy as np
import pytest
from helpers import FACE_XYXY, Fixed, MeanShape
from PIL import Image

from dan.bulk.aligning import AHEAD, align_sources
from dan.bulk.sources import Source
from dan.inference.aligner import BATCH_FACES, FaceAligner


@pytest.fixture
def portrait_source(portrait_path):
    return Source(portrait_path, Path(portrait_path.name), "portrait")


def test_outcomes_are_in_order_and_those_of_one_thread(tmp_path, portrait_path):
    portrait = Image.open(portrait_path)
    names = [f"{place:02d}.png" for place in range(BATCH_FACES + 3)]
    for place, name in enumerate(names):
        portrait.rotate(2 * place).save(tmp_path / name)
    (tmp_path / names[5]).write_bytes(b"no picture")

    class Uneven(Fixed):
        turn = count()

        def detect(self, picture):
            time.sleep(0.02 if next(self.turn) % 3 == 0 else 0)
            return super().detect(picture)

    aligner = FaceAligner("dan68-fast", Uneven(FACE_XYXY, (20, 20, 90, 90)), threads=1)
    sources = [Source(tmp_path / name, Path(name), name) for name in names]
    outcomes = list(align_sources(aligner, sources, threads=3))
    assert [outcome.source for outcome in outcomes] == sources
    assert (outcomes[5].faces, outcomes[5].size_wh) == (None, (0, 0))
    assert outcomes[5].error.startswith("expected a picture")
    alone = aligner.align_many([source.path for source in sources], on_error="skip")
    for outcome, faces in zip(outcomes, alone, strict=True):
        if faces is not None:
            assert outcome.size_wh == portrait.size
            assert np.array_equal(outcome.faces.points_xy, faces.points_xy)


def test_the_network_runs_in_several_threads_at_once(portrait_source):
    both = threading.Barrier(2, timeout=20)

    class Meeting(MeanShape):
        def __call__(self, crops):
            both.wait()  # alone in here, a thread fails
            return super().__call__(crops)

    aligner = FaceAligner(Meeting(), Fixed(FACE_XYXY))
    sources = [portrait_source] * (2 * BATCH_FACES)
    assert len(list(align_sources(aligner, sources, threads=2))) == len(sources)


def test_one_thread_does_all(portrait_source):
    seen = set()

    class Detector(Fixed):
        def detect(self, picture):
            seen.add(threading.get_ident())
            return super().detect(picture)

    class Network(MeanShape):
        def __call__(self, crops):
            seen.add(threading.get_ident())
            return super().__call__(crops)

    aligner = FaceAligner(Network(), Detector(FACE_XYXY))
    list(align_sources(aligner, [portrait_source] * 20, threads=1))
    assert len(seen) == 1


def test_few_pictures_are_begun_ahead_and_none_goes_on_after_the_end(portrait_source):
    taken, n_threads, wanted = [], 2, 40
    endless = (taken.append(1) or source for source in repeat(portrait_source))
    outcomes = align_sources(FaceAligner(MeanShape(), Fixed()), endless, threads=n_threads)
    for _ in range(wanted):
        next(outcomes)
    outcomes.close()
    assert len(taken) <= wanted + n_threads * (AHEAD + BATCH_FACES // 2)
    assert not [one for one in threading.enumerate() if one.name.startswith("dan-align")]
