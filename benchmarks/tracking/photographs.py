"""Measure tracking on photographs alone: `python benchmarks/tracking/photographs.py results/mine/capture TRUE_CAPTURE`.

The first folder is what a run of `preset: photographs` made, the second the capture that its photographs are from, with
true poses and meshes of the same topology and, in `truth.csv`, the true weights: the demo's second person, for one.
Printed are errors of poses and of the motion of vertices against the neutral's, both up to where head space lies, of
the neutral's surface, and the correlation of weights. Without folders frames of the template with a random texture are
rendered and tracked.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.capture.tracked import read_positions
from splatrig.dataset.pose import read_pose, to_world
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.obj import read_obj
from support.harness import Figures, machine, parsed, parser_of

MOVED_MM = 0.5
"""Vertices that the expression moves by less do not count."""
SHOWN = 0.3
"""Blendshapes whose largest true weight is less do not count."""


def motion_from(first: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:  # [3, 4] all
    """Return the rigid motion of the world that takes a head from its first pose to another."""
    turn = pose[:, :3] @ first[:, :3].T
    return np.column_stack([turn, pose[:, 3] - turn @ first[:, 3]])


def pose_errors(found: NDArray[np.float64], true: NDArray[np.float64], middle: NDArray[np.float64]) -> pd.DataFrame:
    """Return degrees and millimeters, at the head's middle, by which motions from the first frame [F, 3, 4] differ."""
    rows, center = [], true[0, :, :3] @ middle + true[0, :, 3]
    for pose, other in zip(found[1:], true[1:], strict=True):
        own, expected = motion_from(found[0], pose), motion_from(true[0], other)
        turn = Rotation.from_matrix(own[:, :3] @ expected[:, :3].T).magnitude()
        shift = (own[:, :3] - expected[:, :3]) @ center + own[:, 3] - expected[:, 3]
        rows.append((np.degrees(turn), np.linalg.norm(shift)))
    return pd.DataFrame(rows, columns=["degrees", "mm"])


def vertex_errors(
    found: NDArray[np.float64], true: NDArray[np.float64], turn: NDArray[np.float64]
) -> tuple[float, ...]:
    """Return the mean error of motions from the first frame [F, V, 3], where vertices move, and their mean motion."""
    own, expected = (found[1:] - found[0]) @ turn.T, true[1:] - true[0]
    moved = np.linalg.norm(expected, axis=2)
    rows = moved > MOVED_MM
    return float(np.linalg.norm(own - expected, axis=2)[rows].mean()), float(moved[rows].mean())


def surface_errors(
    found: NDArray[np.float64],  # [V, 3]
    true: NDArray[np.float64],  # [V, 3]
    pose: NDArray[np.float64],  # [3, 4] of the true head
    faces: NDArray[np.int64],  # [T, 3]
) -> dict[str, float]:
    """Return the median distance in millimeters along normals, by the part of the head, from positions in the world."""
    normals = vertex_normals(true, faces)
    misses, ahead = np.abs(((found - true) * normals).sum(axis=1)), normals @ pose[:, 2]
    parts = {"front": ahead > 0.5, "sides": np.abs(ahead) <= 0.5, "back": ahead < -0.5}
    return {name: float(np.median(misses[rows])) for name, rows in parts.items()}


def weight_correlations(found: pd.DataFrame, true: pd.DataFrame) -> pd.Series:
    """Return the correlation of the weights of each blendshape that the capture shows; 0 where it was never found."""
    keys = {"index": ["expression", "frame"], "columns": "unit", "values": "weight"}
    own = found.pivot_table(**keys)
    expected = true.pivot_table(**keys).reindex(own.index).fillna(0.0)
    shown = [name for name in expected if expected[name].max() > SHOWN and name in own and "Look" not in name]
    return own[shown].corrwith(expected[shown]).fillna(0.0)


def measure_folders(figures: Figures, capture: Path, true: Path, prefix: str = "") -> None:
    """Print the figures of a run, each after `prefix`."""
    frames = [
        path.relative_to(capture / "tracked_mesh").with_suffix("")
        for path in sorted((capture / "tracked_mesh").glob("*/*.obj"))
    ]
    neutral = pd.read_csv(capture.parent / "tracking" / "frames.csv", dtype={"frame": str})
    first = neutral[neutral["agreement"] == 1.0].iloc[0]  # the reference frame
    frames.sort(key=lambda frame: str(frame) != f"{first.expression}/{first.frame}")
    poses = [
        np.array([read_pose(root / "tracked_mesh" / f"{frame}_transform.txt") for frame in frames])
        for root in (capture, true)
    ]
    mesh = read_obj(true / "tracked_mesh" / f"{frames[0]}.obj")
    used, count = np.unique(mesh.faces), len(mesh.vertices)
    vertices = [
        np.array([read_positions(root / "tracked_mesh" / f"{frame}.bin", count)[used] for frame in frames])
        for root in (capture, true)
    ]
    _report(figures, poses, vertices, prefix)
    placed = [to_world(own[0], pose[0]) for own, pose in zip(vertices, poses, strict=True)]
    faces = np.searchsorted(used, mesh.faces)
    for part, miss in surface_errors(*placed, poses[1][0], faces).items():
        figures.add(f"{prefix}neutral's median error along normals, {part}", miss, "mm")
    table = pd.read_csv(capture.parent / "tracking" / "weights.csv", dtype={"frame": str})
    weights = weight_correlations(table, pd.read_csv(true / "truth.csv", dtype={"frame": str}))
    figures.add(f"{prefix}mean correlation", weights.mean().clip(0.0), "correlation")


def _report(
    figures: Figures, poses: list[NDArray[np.float64]], vertices: list[NDArray[np.float64]], prefix: str = ""
) -> None:
    errors = pose_errors(*poses, vertices[1][0].mean(axis=0))
    figures.add(f"{prefix}median turn", errors["degrees"].median(), "°")
    figures.add(f"{prefix}median shift", errors["mm"].median(), "mm")
    figures.add(f"{prefix}largest turn", errors["degrees"].max(), "°")
    figures.add(f"{prefix}largest shift", errors["mm"].max(), "mm")
    error, moved = vertex_errors(*vertices, poses[1][0, :, :3].T @ poses[0][0, :, :3])
    figures.add(f"{prefix}error of moved vertices", error, "mm")
    figures.add(f"{prefix}their motion", moved, "mm")


def measure_template(figures: Figures, count: int) -> None:
    """Track rendered frames of the template and print the figures."""
    from splatrig.tracking.faces import LID_ROWS, SegmentFaces
    from splatrig.tracking.segment import SegmentTracker
    from support import photographed_template as made

    cameras, head = made.stage(), made.template()
    rest = made.state(made.pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    shares = np.linspace(0.0, 1.0, count + 1)[1:]
    true = []
    for share in shares:
        pose = made.pose_of((4.0 * share, 12.0 * share, -3.0 * share), (5.0 * share, 0.0, 8.0 * share))
        true.append(made.state(pose, jawOpen=0.7 * share, mouthLeft=0.5 * share))
    names = [f"{number:04d}" for number in range(2, 2 + count)]
    with tempfile.TemporaryDirectory() as folder:
        neutral = {"0001": made.photographs(head.vertices, rest.pose, cameras)}
        photographs = [made.photographs(head.posed(own.weights), own.pose, cameras) for own in true]
        reference = made.write_shots(Path(folder), "Neutral", neutral, cameras)
        shots = made.write_shots(Path(folder), "Played", dict(zip(names, photographs, strict=True)), cameras)
        seen = np.stack([made.landmarks_seen(own, cameras, noise_px=1.0) for own in true])
        seen = (seen / [cameras.width, cameras.height]).astype(np.float32)
        faces = SegmentFaces(tuple(names), cameras.names, seen, seen[:, :, LID_ROWS])
        tracker = SegmentTracker(made.neutral_head(), reference, head.landmarks)
        start = time.process_time()
        tracked = list(tracker.track(shots, faces))
        spent = time.process_time() - start
    skin = head.skin
    poses = [np.array([rest.pose, *(own.pose for own in states)]) for states in ([own.state for own in tracked], true)]
    vertices = [
        np.array([head.vertices[skin], *(own.vertices[skin] for own in tracked)]),
        np.array([head.vertices[skin], *(head.posed(own.weights)[skin] for own in true)]),
    ]
    _report(figures, poses, vertices)
    figures.add("processor time of a frame of five photographs", spent / count, "s")


def main() -> None:
    """Measure folders, or the template."""
    parser: argparse.ArgumentParser = parser_of(__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="capture that a run made, and the true one")
    parser.add_argument("--frames", type=int, default=6, help="of the template")
    options = parsed(parser, frames=1)
    figures = Figures(options, machine("numpy", "scipy"))
    if options.folders:
        measure_folders(figures, *options.folders)
    else:
        measure_template(figures, options.frames)
    figures.save()


if __name__ == "__main__":
    main()
