"""Time the restructuring of a capture of 330 frames: `python benchmarks/capture/restructure.py [--cameras 3]`.

66 segments of 5 frames are written in the raw layout: a tracked mesh of 5,500 vertices that moves, and photographs as
hard as real ones for PNG (sensor noise). Every segment then goes through the function
that the rule `restructure` calls, on all cores. The steps of one photograph are timed by themselves as well: they
say what bounds the whole.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from scipy.sparse import csr_matrix

from splatrig.capture.calibration import calibrated_cameras
from splatrig.capture.color import correction_table
from splatrig.capture.demo.raw import write_tracked_frame
from splatrig.capture.demo.rig import build_cameras, head_poses
from splatrig.capture.demo.tracked import TrackedMesh
from splatrig.capture.krt import as_krt, read_krt, write_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import read_image, read_photograph, write_photograph
from splatrig.capture.restructure import RestructureOptions, restructure
from splatrig.dataset.cameras import Cameras
from splatrig.mesh.silhouette import silhouette
from support.harness import Figures, machine, parsed, parser_of

FRAMES = 5
"""Of a segment."""
RADIUS_MM = 110.0
SEED = 0


def head(rings: int) -> TrackedMesh:
    """Return a ball with texture coordinates; 76 rings are 5,562 vertices."""
    ball = trimesh.creation.uv_sphere(radius=RADIUS_MM, count=[rings, rings - 1])
    count = len(ball.vertices)
    uvs = np.random.default_rng(SEED).random((count, 2))
    faces = ball.faces.astype(np.int64)
    return TrackedMesh(csr_matrix((count, 0)), np.asarray(ball.vertices), faces, uvs, faces)


def photograph(path: Path, cameras: Cameras) -> None:
    """Write one picture of a bright disc with sensor noise."""
    rows, columns = np.mgrid[: cameras.height, : cameras.width]
    inside = np.hypot(rows / cameras.height - 0.5, columns / cameras.width - 0.5) < 0.35
    noise = np.random.default_rng(SEED).normal(0, 2.0, (cameras.height, cameras.width, 3))
    values = np.where(inside[..., None], 90.0 + 40 * (columns / cameras.width)[..., None], 6.0) + noise
    Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).save(path, compress_level=1)


def write_capture(root: Path, cameras: Cameras, mesh: TrackedMesh, count: int) -> list[str]:
    """Write the raw layout of `count` segments, one picture linked under every name; return the segments."""
    root.mkdir()
    write_krt(root / "KRT", as_krt(cameras))
    picture = root / "picture.png"
    photograph(picture, cameras)
    segments = [f"E{number:03d}_Segment" for number in range(1, count + 1)]
    listed = []
    for number, segment in enumerate(segments):
        folder = root / "tracked_mesh" / segment
        folder.mkdir(parents=True)
        for frame, pose in enumerate(head_poses(segment, FRAMES, SEED)):
            name = f"{3 * frame:06d}"
            bump = np.sin(mesh.offsets / 20 + number) * frame
            write_tracked_frame(folder, name, mesh, mesh.offsets + bump, pose)
            listed.append(f"{segment} {name}\n")
            for camera in cameras.names:
                target = root / "images" / segment / camera / f"{name}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(picture)
    (root / "frame_list.txt").write_text("".join(listed), encoding="ascii")
    return segments


def median_ms(call: Callable[[], object], runs: int = 7) -> float:
    """Return the median wall time of a call in milliseconds."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def time_steps(
    picture: Path, cameras: Cameras, mesh: TrackedMesh, pose: np.ndarray, folder: Path, figures: Figures
) -> None:
    """Measure what each step of one photograph takes on one thread, and what the disk alone would take."""
    table = correction_table("multiface_gamma")
    width, height = cameras.width, cameras.height
    view = cameras.in_head_space(pose)
    rgb = read_photograph(picture, width, height, 1.0, table)
    alpha = silhouette(mesh.offsets, mesh.faces, view.viewmats[0], view.Ks[0], width, height)
    write_photograph(folder / "step.png", rgb, alpha)
    data = (folder / "step.png").read_bytes()

    def to_disk() -> None:
        with (folder / "bytes").open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())

    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: read_image(picture),
        "decode, correct": lambda: read_photograph(picture, width, height, 1.0, table),
        "silhouette": lambda: silhouette(mesh.offsets, mesh.faces, view.viewmats[0], view.Ks[0], width, height),
        "encode": lambda: write_photograph(folder / "step.png", rgb, alpha),
        "its bytes to disk, synced": to_disk,
    }
    figures.say(f"one photograph of {width}×{height}, one thread")
    figures.add("one photograph: raw", picture.stat().st_size / 1e6, "MB")
    figures.add("one photograph: written", len(data) / 1e6, "MB")
    for name, call in steps.items():
        figures.add(f"one photograph: {name}", median_ms(call), "ms")


def main() -> None:
    """Write the capture, restructure it, print the figures."""
    parser = parser_of(__doc__)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--height", type=int, default=2048, help="pixels; the width follows 1334:2048")
    parser.add_argument("--segments", type=int, default=66, help="of five frames")
    parser.add_argument("--rings", type=int, default=76, help="of the tracked mesh; 76: 5,562 vertices")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parsed(parser, cameras=1, height=48, segments=1, rings=12)
    figures = Figures(options, machine("pillow", "numpy"))
    with tempfile.TemporaryDirectory() as name:
        folder, mesh = Path(name), head(options.rings)
        rig = build_cameras(max(3, options.cameras), options.height, SEED).select(range(options.cameras))
        segments = write_capture(folder / "raw", rig, mesh, options.segments)
        layout = CaptureLayout(folder / "raw")
        cameras = calibrated_cameras(read_krt(layout.krt), dict.fromkeys(rig.names, (rig.width, rig.height)))
        pose = head_poses(segments[0], FRAMES, SEED)[0]
        time_steps(folder / "raw" / "picture.png", rig, mesh, pose, folder, figures)
        settings = RestructureOptions(
            segments[0], FRAMES, "spread", "refuse", 1.0, "multiface_gamma", background="silhouette", subdivisions=2
        )
        wall, processor = time.perf_counter(), time.process_time()
        rows = [
            row
            for segment in segments
            for row in restructure(layout, segment, cameras, settings, folder / segment, threads=options.threads)
        ]
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        images = sum(row.image_count for row in rows)
        figures.say(f"{len(rows)} frames, {images} photographs on {options.threads} threads, meshes included")
        figures.add("photographs", images, "")
        figures.add("all: wall", wall, "s")
        figures.add("all: processor", processor, "s")
        figures.add("all: wall, per photograph", 1e3 * wall / images, "ms")
        figures.add("all: processor, per photograph", 1e3 * processor / images, "ms")
    figures.save()


if __name__ == "__main__":
    main()
