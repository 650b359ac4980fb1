"""A head under control: one base, moved by several families at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.animation.family import open_rig
from splatrig.animation.rig import ATTRIBUTE_FIELDS, Rig
from splatrig.capture.frames import read_frames
from splatrig.control.panel import Panel, panel_of, read_panel
from splatrig.errors import InputError
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.mesh.template import Template, read_template

Pose = Mapping[str, NDArray]
"""Family to weights [K]; families that are left out are at 0."""


@dataclass(frozen=True)
class Family:
    """A family of components with its controls."""

    rig: Rig
    panel: Panel


@dataclass(frozen=True)
class Head:
    """The base of the first family, and what every family adds to it; displacements of families add up."""

    subject: str
    families: dict[str, Family]
    template: Template
    base: Gaussians
    """All weights zero."""

    @property
    def faces(self) -> NDArray[np.int64]:
        """Triangles [T, 3] over the Gaussians."""
        return self.template.levels[self.template.finest].faces

    @property
    def panels(self) -> dict[str, Panel]:
        """The controls of every family."""
        return {name: family.panel for name, family in self.families.items()}

    def changes(self, pose: Pose) -> dict[str, NDArray[np.float32]]:
        """Return the sum of what all families add to the base, by field of `Gaussians`, of those that they move."""
        moved: dict[str, NDArray[np.float32]] = {}
        for name, weights in pose.items():
            rig = self.families[name].rig
            row = np.asarray(weights, dtype=np.float32) @ rig.basis
            for field, part in split_row(rig, row).items():
                moved[field] = moved[field] + part if field in moved else part
        return moved

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians of a pose, quaternions of unit length."""
        fields = dict(self.base.items())
        for field, part in self.changes(pose).items():
            fields[field] = fields[field] + part
        fields["quats"] = fields["quats"] / np.linalg.norm(fields["quats"], axis=-1, keepdims=True)
        return Gaussians(**fields)


def split_row(rig: Rig, row: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return a row [D] of changes as fields of `Gaussians`, each in its shape."""
    count = len(rig.neutral)
    return {
        ATTRIBUTE_FIELDS[name]: row[first:end].reshape(count, *SHAPES[ATTRIBUTE_FIELDS[name]])
        for name, first, end in rig.components.dim_info
    }


def component_path(results: Path, family: str, levels: Sequence[str]) -> Path:
    """Return the component file of a family: at the finest level that has one; raise InputError when none has."""
    for level in reversed(levels):
        path = results / "components" / level / f"{family}.h5"
        if path.is_file():
            return path
    known = sorted({path.stem for path in (results / "components").glob("*/*.h5")})
    raise InputError(f"{results}: has no components of family {family}; it has {', '.join(known) or 'none'}.")


def open_head(results: str | Path, families: Sequence[str]) -> Head:
    """Open the head of a finished run, `results/{subject}`, with the named families; the first gives the base.

    Panels are read where the run has made them. Raises InputError naming what is missing.
    """
    results = Path(results)
    for name in ("template/template.h5", "gaussians/neutral.h5", "frames.csv"):
        if not (results / name).is_file():
            raise InputError(f"{results}: {name} is missing; run snakemake first, or name the results of a subject.")
    template = read_template(results / "template" / "template.h5")
    frames = read_frames(results / "frames.csv")
    neutral = frames[frames["neutral"]].iloc[0]
    opened = {}
    for name in families:
        path = component_path(results, name, list(template.levels))
        rig, _ = open_rig(path, results / "gaussians" / "neutral.h5", results / "template" / "template.h5", results)
        panel_file = results / "control" / "panels" / f"{name}.json"
        panel = (
            read_panel(panel_file)
            if panel_file.is_file()
            else panel_of(
                name,
                rig.components,
                template.levels[template.finest],
                subject=results.name,
                neutral_frame=f"{neutral['expression']}/{neutral['frame']}",
            )
        )
        if panel.count != rig.count:
            raise InputError(
                f"{panel_file}: is of {panel.count} components, {path} has {rig.count}; run snakemake to update it."
            )
        opened[name] = Family(rig, panel)
    return head_of(results.name, opened, template)


def head_of(subject: str, families: Mapping[str, Family], template: Template) -> Head:
    """Return the head that `families` move together, on the rest face of the first."""
    if not families:
        raise InputError("a head: expected at least one family of components, got none.")
    first = next(iter(families.values())).rig
    return Head(subject, dict(families), template, first.gaussians(np.zeros(first.count)))
