"""Time reading a subject of Ava-256 in place: python benchmarks/capture/archives.py [--cameras 80] [--frames 4].

Archives of a full subject's number of members are written, photographs of 667×1024 with sensor noise among them. The
plan of a download asks for the length of each archive, here from the disk: no network is timed. What a job reads before
its first photograph (calibration, list of frames, the index of every archive) is timed, then the decoding of
photographs from the archives and from the same files unpacked, by turns, with files in the page cache. Processor time
is what is compared: it does not depend on what else the machine does.
"""

import json
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from splatrig.capture.ava256_download import COMMON, camera_archives, describe_plan
from splatrig.capture.codec_avatars import SENSOR, CodecAvatarCapture, open_ava256
from splatrig.capture.photographs import read_image
from splatrig.config.models import Download
from splatrig.io.files import File, write_text
from support.harness import Figures, machine, parsed, parser_of
from support.releases import encoded, write_zip

SEGMENT = "EXP_neutral_peak"
QUALITY, NOISE = 90, 6.0
"""Of AVIF and of the sensor, in gray levels: photographs of 0.2 MB."""
SUBJECTS = 256
ROUNDS = 5
SEED = 0


def photograph(height: int, seed: int) -> bytes:
    """Return a picture of a bright disc with sensor noise as AVIF."""
    width = round(height * SENSOR[0] / SENSOR[1])
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(rows / height - 0.5, columns / width - 0.5) < 0.35
    noise = np.random.default_rng(seed).normal(0, NOISE, (height, width, 3))
    values = np.where(inside[..., None], 90.0 + 40 * (columns / width)[..., None], 6.0) + noise
    return encoded(Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)), "AVIF", quality=QUALITY)


def write_subject(root: Path, names: Sequence[str], frames: int, members: int, height: int) -> None:
    """Write what of a subject is read: the first `frames` members of each archive are photographs, others a byte."""
    K, T = np.diag([7000.0, 7000.0, 1.0]), np.eye(4)
    K[2, :2], T[3, 2] = np.array(SENSOR) / 2, 1000.0  # transposed
    entries = [{"cameraId": name, "K": K.tolist(), "T": T.tolist()} for name in names]
    write_text(root / "camera_calibration.json", json.dumps({"KRT": entries}))
    listed = [f"{SEGMENT if frame < frames else 'EXP_other'},{frame}" for frame in range(members)]
    write_text(root / "frame_list.csv", "\n".join(["seg_id,frame_id", *listed]) + "\n")
    for zipped in ("kinematic_tracking/registration_vertices", "head_pose/head_pose"):
        write_zip(root / f"{zipped}.zip", {f"{frame:06d}.txt": b"0" for frame in range(members)})
    images = [photograph(height, SEED + frame) for frame in range(frames)]
    for name in names:
        content = {f"cam{name}/{frame:06d}.avif": images[frame] if frame < frames else b"0" for frame in range(members)}
        write_zip(root / "image" / f"cam{name}.zip", content)
        for frame in range(frames):
            path = root / "unpacked" / name / f"{frame:06d}.avif"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(images[frame])


def decode(files: Sequence[File], threads: int) -> tuple[float, float]:
    """Return photographs a second, decoded to RGB, and milliseconds of processor time for each."""
    begin, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read_image, files))
    return len(files) / (time.perf_counter() - begin), 1e3 * (time.process_time() - used) / len(files)


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def index_memory(capture: CodecAvatarCapture, names: Sequence[str]) -> float:
    """Return the MB that the index of all archives keeps."""
    tracemalloc.start()
    capture.frames(SEGMENT, names)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return kept / 1e6


def main() -> None:
    """Write a subject, time what reads it, print the figures."""
    parser = parser_of(__doc__)
    parser.add_argument("--cameras", type=int, default=80)
    parser.add_argument("--frames", type=int, default=4, help="photographs of each camera that are decoded")
    parser.add_argument("--members", type=int, default=5000, help="of each archive")
    parser.add_argument("--height", type=int, default=1024, help="pixels")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parsed(parser, cameras=2, frames=2, members=20, height=64)
    figures = Figures(options, machine("pillow", "numpy"))
    names = [f"{400000 + number}" for number in range(options.cameras)]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_subject(root, names, options.frames, options.members, options.height)
        lists = seconds(lambda: (open_ava256(root).calibration(), open_ava256(root).segments()))
        figures.add("calibration and frame list of a subject", 1e3 * lists, "ms")
        figures.add(f"calibration and frame lists of {SUBJECTS} subjects", SUBJECTS * lists, "s")
        paths = [*COMMON, *camera_archives(["image", "segmentation_parts"], names)]
        settings = Download()
        plan = seconds(lambda: describe_plan(f"file://{root}", paths, root / "archives", settings))
        figures.add(f"plan of {len(paths)} archives", plan, "s")
        capture = open_ava256(root)
        figures.add("index of all archives", seconds(lambda: capture.frames(SEGMENT, names)), "s")
        figures.add("index of all archives: memory", index_memory(open_ava256(root), names), "MB")
        frames = [files.frame for files in capture.frames(SEGMENT, names)]
        archived = [capture.image(SEGMENT, camera, frame) for frame in frames for camera in names]
        unpacked = [root / "unpacked" / camera / f"{frame}.avif" for frame in frames for camera in names]
        rounds = [(decode(archived, options.threads), decode(unpacked, options.threads)) for _ in range(ROUNDS)]
        in_place, apart = np.median(rounds, axis=0)  # [rate, milliseconds] each
        figures.say(f"{len(archived)} photographs on {options.threads} threads, median of {ROUNDS} rounds")
        figures.add("one photograph", len(archived[0].read_bytes()) / 1e6, "MB")
        for kind, (rate, processor) in (("archives", in_place), ("files", apart)):
            figures.add(f"decoded from {kind}", float(rate), "1/s")
            figures.add(f"decoded from {kind}: processor, each", float(processor), "ms")
        figures.add("processor time, archives over files", float(in_place[1] / apart[1]), "times")
    figures.save()


if __name__ == "__main__":
    main()
