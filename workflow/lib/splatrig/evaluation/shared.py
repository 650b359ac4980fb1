"""Components that several subjects of one topology share, and how much of a person's expression they explain.

Identity is taken out: every frame is the displacement of its Gaussians' centers from its own subject's neutral, added
to the mean of all neutrals. What is left is expression, vertex by vertex.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import Components
from splatrig.components.labels import label_of
from splatrig.components.names import component_names
from splatrig.config.cohort import COHORT
from splatrig.evaluation.attribute_rows import AttributeRows, read_attribute_rows
from splatrig.evaluation.cohort import mean_over_subjects
from splatrig.evaluation.figures import COLORS, MARKERS, against_k, panels, shared_legend, styled
from splatrig.evaluation.measures import attribute_error, rms
from splatrig.evaluation.reconstruction import explained, rebuild
from splatrig.evaluation.relearn import Learner
from splatrig.evaluation.shape_model import most_components
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.mesh.template import Level

SHARED_COLUMNS = ("subject", "method", "level", "k", "learned_from", "explained", "rmse_mm", "frames")
"""Columns of `shared.csv`: what `k` components explain of the displacements in the training `frames` of a subject."""

LEARNED_FROM = {
    "others": "other people",
    "own_others": "this person, other expressions",
    "own": "this person, the same expressions",
}
"""Sources of components: all other subjects; the subject without one expression at a time; the subject."""


def check_one_topology(faces: Mapping[str, NDArray[np.int64]]) -> None:
    """Raise InputError unless all subjects have the triangles [T, 3] of the first; `faces` by subject."""
    first = next(iter(faces))
    for name, own in faces.items():
        if not np.array_equal(own, faces[first]):
            raise InputError(
                f"shared components: {name} has another mesh than {first} ({len(own):,} and {len(faces[first]):,} "
                "triangles), expected one topology, in which a vertex is the same point of every face; leave it out, "
                "or track both with one template."
            )


def read_subjects(paths: Mapping[str, str | Path]) -> dict[str, AttributeRows]:
    """Read the centers of all frames of each subject from its attribute store; raise InputError if meshes differ."""
    faces = {}
    for name, path in paths.items():
        with AttributeReader(path) as reader:
            faces[name] = reader.faces
    check_one_topology(faces)
    return {name: read_attribute_rows(path, ["xyz"]) for name, path in paths.items()}


def pooled(subjects: Mapping[str, AttributeRows]) -> AttributeRows:
    """Return the frames of all subjects on one mean face; `subjects` hold the centers of their Gaussians alone.

    Frames are named `subject/expression/frame`. Their neutral is that of the first subject, which is the mean face.
    """
    mean = np.mean([rows.X[rows.neutral_row] for rows in subjects.values()], axis=0, dtype=np.float64)
    moved = [mean + (rows.X - rows.X[rows.neutral_row]) for rows in subjects.values()]
    return AttributeRows(
        np.concatenate(moved).astype(np.float32),
        tuple(f"{name}/{frame}" for name, rows in subjects.items() for frame in rows.frames),
        np.concatenate([rows.train for rows in subjects.values()]),
        next(iter(subjects.values())).neutral_row,
        np.concatenate([rows.reach for rows in subjects.values()]),
    )


def mean_level(level: Level, pool: AttributeRows) -> Level:
    """Return a level with the mean face of all subjects for its vertices."""
    return replace(level, vertices=pool.X[pool.neutral_row].reshape(-1, 3).astype(np.float64))


def shared_components(learner: Learner, method: str, level: str, pool: AttributeRows, k: int) -> Components:
    """Return named components learned from the training frames of all subjects, as many of `k` as these allow."""
    rows = np.flatnonzero(pool.train)
    found = learner.learn(method, pool, rows, min(k, most_components(len(rows))))
    origin = replace(found.origin, subject=COHORT, level=level, source="fitted frames of several subjects")
    of_expressions = replace(found, frames=tuple(name.partition("/")[2] for name in found.frames))
    return replace(found, origin=origin, names=component_names(of_expressions, learner.level))


def leave_one_subject_out(
    learner: Learner, method: str, level: str, subjects: Mapping[str, AttributeRows], ks: Sequence[int]
) -> pd.DataFrame:
    """Return what components learned from others, and from a subject's own frames, explain of it: `SHARED_COLUMNS`.

    A k that the frames of one of the sources do not allow is left out for it.
    """
    pool = pooled(subjects)
    people, expressions = (np.array([name.split("/")[part] for name in pool.frames]) for part in (0, 1))
    rows = []
    for subject in track(list(subjects), f"{method}, subjects left out", unit="subject"):
        own = np.flatnonzero((people == subject) & pool.train)
        neutral = own[pool.reach[own].argmin()]
        for source, k in ((source, k) for source in LEARNED_FROM for k in ks):
            estimate = np.full((len(own), pool.X.shape[1]), np.nan, np.float32)
            for learned, out in _folds(source, own, neutral, expressions, np.flatnonzero(pool.train)):
                if k <= most_components(len(learned)):
                    at = neutral if neutral in learned else learned[pool.reach[learned].argmin()]
                    components = learner.learn(method, replace(pool, neutral_row=int(at)), learned, k)
                    estimate[np.isin(own, out)] = rebuild(components, pool.X[out])
            if np.isfinite(estimate).all():
                rows.append((subject, method, level, k, source, *_errors(estimate, pool.X[own], pool.X[neutral])))
    return pd.DataFrame(rows, columns=list(SHARED_COLUMNS))


def _folds(
    source: str, own: NDArray[np.int64], neutral: int, expressions: NDArray[np.str_], train: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows to learn from and the rows of the subject to rebuild by what was learned."""
    if source == "others":
        yield np.setdiff1d(train, own), own
    elif source == "own":
        yield own, own
    else:
        for name in sorted(set(expressions[own])):
            out = own[expressions[own] == name]
            yield np.union1d(np.setdiff1d(own, out), [neutral]), out


def _errors(
    estimate: NDArray[np.float32], truth: NDArray[np.float32], neutral: NDArray[np.float32]
) -> tuple[float, float, int]:
    """Return the explained fraction of the displacements, the RMSE of the centers in mm, and the number of frames."""
    left, total = (np.square(rows, dtype=np.float64).sum(axis=1) for rows in (estimate - truth, truth - neutral))
    centers = [rows.reshape(len(rows), -1, 3) for rows in (estimate, truth)]
    return explained(left, total), rms(attribute_error("xyz", *centers)), len(truth)


@styled
def draw_shared(table: pd.DataFrame) -> Figure:
    """Plot the explained fraction against k, one panel per method: thin lines for subjects, thick ones their mean."""
    methods = list(dict.fromkeys(table["method"]))
    figure, axes = panels(1, len(methods), width=5.0, height=3.8)
    for ax, method in zip(axes[0], methods, strict=True):
        for place, (source, label) in enumerate(LEARNED_FROM.items()):
            rows = table[(table["method"] == method) & (table["learned_from"] == source)]
            for _, own in rows.groupby("subject", sort=False):
                ax.plot(own["k"], 100 * own["explained"], color=COLORS[place], linewidth=0.8, alpha=0.5)
            means = {k: mean_over_subjects(own["explained"].to_numpy()).mean for k, own in rows.groupby("k")}
            look = {"color": COLORS[place], "marker": MARKERS[place]}
            ax.plot(list(means), [100 * mean for mean in means.values()], label=f"learned from {label}", **look)
        ax.set_title(label_of(method), loc="left", fontsize=10.5, fontweight="bold")
        ax.set_ylabel("displacement explained (%)")
        ax.set_ylim(min(0.0, 105 * table["explained"].min()), 102)
        against_k(ax, table["k"])
    shared_legend(figure, axes, 3)
    return figure
