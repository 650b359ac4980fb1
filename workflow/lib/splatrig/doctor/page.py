"""Report of the doctor: a page with its verdicts and one photograph per camera, and a file with the verdicts."""

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from splatrig.doctor.subject import Subject
from splatrig.doctor.verdicts import FINE, LOOK, RANKS, WRONG, Rank, Verdict
from splatrig.evaluation.text_tables import write_html
from splatrig.io.errors import InputError
from splatrig.io.files import absent, write_text
from splatrig.mesh.silhouette import silhouette

_COLORS = {FINE: (0, 158, 115), LOOK: (230, 159, 0), WRONG: (213, 94, 0)}
"""Colors of outlines, by Okabe and Ito (2008)."""
_ENLARGED = 2
_STYLE = """<style>
figure { display: inline-block; margin: .5rem; width: 21rem; vertical-align: top; font-size: .85rem; }
figure img { width: 100%; }
</style>
"""


def outlined(subject: Subject, frame: int, camera: int, rank: Rank) -> Image.Image:
    """Return a camera's photograph of a frame, reduced, with the outline of the tracked mesh in a verdict's color."""
    mesh, gray = subject.tracked[frame], subject.read(frame).grays[camera]
    views = subject.cameras.in_head_space(mesh.head_to_world).scaled(_ENLARGED)
    picture = np.array(
        Image.fromarray(gray).resize((views.width, views.height), Image.Resampling.BICUBIC).convert("RGB")
    )
    cover = silhouette(
        mesh.vertices, subject.faces, views.viewmats[camera], views.Ks[camera], views.width, views.height
    )
    picture[_edge(cover > 127)] = _COLORS[rank]
    return Image.fromarray(picture)


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:  # [H, W] both
    """Return the pixels on both sides of the border of a mask."""
    edge = np.zeros_like(mask)
    for axis in (0, 1):
        change = np.diff(mask, axis=axis)
        for before in (0, 1):
            edge |= np.pad(change, [(before, 1 - before) if axis == other else (0, 0) for other in (0, 1)])
    return edge


def write_page(
    path: str | Path, title: str, subject: Subject, general: Sequence[Verdict], cameras: Sequence[Verdict], shown: int
) -> None:
    """Write the page: the `general` verdicts, those of each camera, and one photograph per camera.

    A photograph is of the frame that the camera's verdict names, or else of frame number `shown`.
    """
    lines = sorted([*general, *cameras], key=lambda verdict: -RANKS.index(verdict.rank))
    table = pd.DataFrame([[each.rank, each.where, each.why] for each in lines], columns=["verdict", "of", "why"])
    figures = []
    for verdict in sorted(cameras, key=lambda verdict: -RANKS.index(verdict.rank)):
        camera = cameras.index(verdict)
        frame = shown if verdict.frame is None else verdict.frame
        stream = io.BytesIO()
        outlined(subject, frame, camera, verdict.rank).save(stream, format="JPEG", quality=85)
        source = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
        caption = f"camera {subject.cameras.names[camera]}, frame {subject.names[frame]}: {verdict.rank}"
        figures.append(f'<figure><img alt="" src="{source}"><figcaption>{html.escape(caption)}</figcaption></figure>\n')
    counts = [sum(verdict.rank == rank for verdict in lines) for rank in RANKS]
    note = (
        f"{len(subject.names)} frames, {len(subject.cameras)} cameras; "
        + ", ".join(f"{rank}: {count}" for rank, count in zip(RANKS, counts, strict=True))
        + ". Below, the outline of the tracked mesh in a photograph of each camera."
    )
    write_html(path, title, table, note, below=_STYLE + "".join(figures))


def write_verdicts(path: str | Path, verdicts: Sequence[Verdict]) -> None:
    """Write verdicts as JSON; as for the check of landmarks, definite faults are also listed as sentences."""
    document = {
        "wrong": [verdict.sentence for verdict in verdicts if verdict.rank == WRONG],
        "odd": [verdict.sentence for verdict in verdicts if verdict.rank == LOOK],
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_sentences(path: str | Path) -> tuple[list[str], list[str]]:
    """Return the definite faults and the doubts of an examination, one sentence each."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        return list(document["wrong"]), list(document["odd"])
    except FileNotFoundError as error:
        raise absent(path) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not an examination of a capture ({error}); delete it and run again.") from error
