"""How fast large annotation files are read, and in how much memory.

    python benchmarks/formats.py [--faces 100000] [--landmarks 68] [--rounds 3]

Writes a COCO keypoints file and a dlib XML file of random faces, then reads each in a process of
its own: once with ``dan.datasets.formats``, once with a plain Python loop over the elements that
``json`` or ``xml.etree`` hand out, into the same arrays. Prints the ratio of the times (goal for
COCO: 5 or more), the best of the rounds each, taken in turns, and the peak resident memory of
ours (goal: under 1 GiB). It asks Linux for the memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from dan.datasets.formats import AnnotationSet, load_coco, load_dlib_xml, save_coco, save_dlib_xml

GIBIBYTE = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--landmarks", type=int, default=68)
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--read", nargs=2, metavar=("HOW", "FILE"), help="used by itself")
    flags = parser.parse_args()
    if flags.read:
        read(flags.read[0], Path(flags.read[1]))
        return
    with tempfile.TemporaryDirectory() as work:
        measure(Path(work), flags.faces, flags.landmarks, flags.rounds)


def measure(work: Path, n_faces: int, n_landmarks: int, rounds: int) -> None:
    print(f"{n_faces} faces of {n_landmarks} points, best of {rounds}")
    for name, save in (("coco.json", save_coco), ("dlib.xml", save_dlib_xml)):
        path = work / name
        save(path, random_faces(n_faces, n_landmarks))
        best = {"loop": (float("inf"), 0), "dan": (float("inf"), 0)}
        for _ in range(rounds):
            sums = {}
            for how in best:
                seconds, memory, sums[how] = in_own_process(how, path)
                best[how] = min(best[how], (seconds, memory))
            assert sums["loop"] == sums["dan"], sums  # the same arrays
        slow, (fast, memory) = best["loop"], best["dan"]
        megabytes = path.stat().st_size / 1e6
        print(f"{name}, {megabytes:.0f} MB")
        print(f"    loop: {slow[0]:6.2f} s, {slow[1] / GIBIBYTE:.2f} GiB")
        print(f"    dan:  {fast:6.2f} s, {memory / GIBIBYTE:.2f} GiB  (goal 1.00)")
        print(f"    loop / dan: {slow[0] / fast:.1f}")


def random_faces(n_faces: int, n_landmarks: int) -> AnnotationSet:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1000, (n_faces, n_landmarks, 2)).round(2)
    names = [f"images/face_{place:06d}.jpg" for place in range(n_faces)]
    boxes = np.tile([10.0, 20.0, 900.0, 950.0], (n_faces, 1))
    sizes = np.full((n_faces, 2), 1000)
    return AnnotationSet.build(
        names, np.arange(n_faces), points, boxes_xyxy=boxes, image_sizes_wh=sizes
    )


def in_own_process(how: str, path: Path) -> tuple[float, int, str]:
    command = [sys.executable, __file__, "--read", how, str(path)]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(words[0]), int(words[1]), words[2]


def read(how: str, path: Path) -> None:
    loops = {"coco.json": loop_over_coco, "dlib.xml": loop_over_dlib}
    start = time.perf_counter()
    if how == "loop":
        faces = loops[path.name](path)
    else:
        faces = (load_coco if path.suffix == ".json" else load_dlib_xml)(path)
    seconds = time.perf_counter() - start
    arrays = (faces.image_index, faces.points, faces.visibility, faces.boxes_xyxy, faces.ignore)
    sums = "/".join(f"{np.nansum(array):.3f}" for array in (*arrays, faces.image_sizes_wh))
    print(seconds, peak_memory(), sums)


def peak_memory() -> int:
    """Bytes. Not from getrusage, whose figure starts at that of the process that started this."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def loop_over_coco(path: Path) -> AnnotationSet:
    with path.open(encoding="utf-8") as file:
        content = json.load(file)
    names, sizes, place_of_id = [], [], {}
    for place, image in enumerate(content["images"]):
        place_of_id[image["id"]] = place
        names.append(image["file_name"])
        sizes.append((image["width"], image["height"]))
    index, points, visibility, boxes, ignore = [], [], [], [], []
    for entry in content["annotations"]:
        numbers = entry["keypoints"]
        face, seen = [], []
        for start in range(0, len(numbers), 3):
            x, y, v = numbers[start : start + 3]
            face.append((x, y) if v else (np.nan, np.nan))
            seen.append(v)
        index.append(place_of_id[entry["image_id"]])
        points.append(face)
        visibility.append(seen)
        x, y, width, height = entry["bbox"]
        boxes.append((x, y, x + width, y + height))
        ignore.append(bool(entry["iscrowd"]))
    return AnnotationSet.build(
        names,
        np.array(index),
        np.array(points),
        visibility=np.array(visibility, dtype=np.uint8),
        boxes_xyxy=np.array(boxes),
        ignore=np.array(ignore),
        image_sizes_wh=np.array(sizes),
    )


def loop_over_dlib(path: Path) -> AnnotationSet:
    names, sizes, index, points, boxes, ignore = [], [], [], [], [], []
    for _, element in ET.iterparse(path):  # noqa: S314
        if element.tag != "image":
            continue
        for box in element:
            face = {}
            for part in box:
                face[part.get("name")] = float(part.get("x", "")), float(part.get("y", ""))
            index.append(len(names))
            points.append([face[name] for name in sorted(face)])
            left, top, width, height = (
                float(box.get(name, "")) for name in ("left", "top", "width", "height")
            )
            boxes.append((left, top, left + width - 1, top + height - 1))
            ignore.append(box.get("ignore", "0") != "0")
        names.append(element.get("file", ""))
        sizes.append((int(element.get("width", "0")), int(element.get("height", "0"))))
        element.clear()
    return AnnotationSet.build(
        names,
        np.array(index),
        np.array(points),
        boxes_xyxy=np.array(boxes),
        ignore=np.array(ignore),
        image_sizes_wh=np.array(sizes),
    )


if __name__ == "__main__":
    main()
