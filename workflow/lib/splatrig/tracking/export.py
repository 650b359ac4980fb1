"""Results of tracking for the rest of the pipeline: tracked meshes, blendshape weights, and quality metrics."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from splatrig.capture.demo.raw import write_tracked_frame
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_directory, atomic_path
from splatrig.tracking.neutral import NeutralHead
from splatrig.tracking.segment import TrackedShot

COLUMNS = ["expression", "frame", "agreement", "landmark_px", "turned_deg", "cameras", "disagreeing", "tracked"]
"""Columns of `tracking/frames.csv`: agreement of the photographs with the head (0 to 1), median distance of landmarks
(pixels), rotation relative to the neutral, number of cameras that tracked, names of those that disagree, and whether
there is a mesh."""


def write_tracked_meshes(folder: str | Path, segment: str, neutral: NeutralHead, shots: Sequence[TrackedShot]) -> None:
    """Write the tracked meshes of a segment in Multiface's layout; frames that cannot be right get none.

    Args:
        folder: Folder of the segment's tracked meshes.
        segment: Name of the segment.
        neutral: The person's neutral head.
        shots: Tracked frames.

    Raises:
        InputError: No frame is left.
    """
    possible = [shot for shot in shots if shot.is_possible]
    if not possible:
        raise InputError(
            f"{segment}: the photographs of none of its {len(shots)} frames agree with the tracked head; look at them, "
            "and take the segment out of capture.expressions if they show no face."
        )
    with atomic_directory(folder) as target:
        for shot in possible:
            write_tracked_frame(
                target, shot.frame, neutral.mesh, neutral.mesh.positions(shot.vertices), shot.state.pose
            )


def write_weights(path: str | Path, segment: str, names: Sequence[str], shots: Sequence[TrackedShot]) -> None:
    """Write the blendshape weights of a segment: rows of expression, frame, unit, weight, as in `truth.csv`.

    Args:
        path: The file to write.
        segment: Name of the segment.
        names: Names of the blendshapes.
        shots: Tracked frames.
    """
    table = pd.DataFrame(
        [
            (segment, shot.frame, name, round(float(weight), 4))
            for shot in shots
            for name, weight in zip(names, shot.state.weights, strict=True)
        ],
        columns=["expression", "frame", "unit", "weight"],
    )
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def write_quality(path: str | Path, segment: str, shots: Sequence[TrackedShot]) -> None:
    """Write the quality metrics of a segment, one row of `COLUMNS` per frame.

    Args:
        path: The file to write.
        segment: Name of the segment.
        shots: Tracked frames.
    """
    rows = [
        (
            segment,
            shot.frame,
            round(shot.agreement, 4),
            round(shot.landmark_px, 3),
            round(shot.turned_deg, 2),
            len(shot.cameras),
            " ".join(shot.disagreeing),
            shot.is_possible,
        )
        for shot in shots
    ]
    with atomic_path(path) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)


def merge_tables(path: str | Path, tables: Sequence[str | Path]) -> pd.DataFrame:
    """Write the rows of several segments' tables as one table, and return it.

    Args:
        path: The file to write.
        tables: Tables of segments.
    """
    merged = pd.concat([pd.read_csv(table, dtype={"frame": str}) for table in tables], ignore_index=True)
    with atomic_path(path) as temporary:
        merged.to_csv(temporary, index=False)
    return merged


def least_agreeing(table: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """Return the frames (expression, frame) with the least agreement, of those with a mesh; one per expression."""
    there = table[table["tracked"].astype(bool)].sort_values("agreement")
    rows = there.drop_duplicates("expression").head(count)
    return [(str(row.expression), str(row.frame)) for row in rows.itertuples()]
