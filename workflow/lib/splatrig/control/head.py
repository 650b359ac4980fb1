"""A head under control: one base, moved by several families at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.components.fields import ATTRIBUTES
from splatrig.components.rig import Rig
from splatrig.components.rig_file import open_rig
from splatrig.components.skin import Surface
from splatrig.control.panel import Panel, panel_of, read_panel
from splatrig.dataset.frames import read_frames
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError
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
    """The base of the first family, and what every family adds to it; displacements of families add up.

    Where families move centres alone and have a skin (`Rig.follows`), rotations and scales of the Gaussians follow the
    skin that these families move, after what the other families add to them.
    """

    subject: str
    families: dict[str, Family]
    template: Template
    base: Gaussians
    """All weights zero, before anything follows the skin; quaternions as stored, of nearly unit length."""

    @property
    def faces(self) -> NDArray[np.int64]:
        """Triangles [T, 3] over the Gaussians."""
        return self.template.levels[self.template.finest].faces

    @property
    def panels(self) -> dict[str, Panel]:
        """The controls of every family."""
        return {name: family.panel for name, family in self.families.items()}

    @cached_property
    def surface(self) -> Surface | None:
        """The skin that Gaussians follow; None where no family moves centres alone."""
        return next((family.rig.surface for family in self.families.values() if family.rig.follows), None)

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians of a pose, quaternions of unit length."""
        changes = {
            name: np.asarray(weights, dtype=np.float32) @ self.families[name].rig.basis
            for name, weights in pose.items()
        }
        fields = self.moved(changes)
        fields["quats"] = fields["quats"] / np.linalg.norm(fields["quats"], axis=-1, keepdims=True)
        return Gaussians(**fields)

    def moved(self, changes: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return the raw fields of `Gaussians` for what families change, a row [D] each; quaternions of any length."""
        fields = dict(self.base.items())
        skin = self._skin_of_base
        for name, row in changes.items():
            rig = self.families[name].rig
            for field, part in split_row(rig, row).items():
                fields[field] = fields[field] + part
                if field == "means" and rig.follows:
                    skin = part if skin is None else skin + part
        if self.surface is not None and skin is not None:
            fields["quats"], fields["log_scales"] = self.surface.follow(skin, fields["quats"], fields["log_scales"])
        return fields

    @cached_property
    def _skin_of_base(self) -> NDArray[np.float32] | None:
        """How far the skin of the base is from the neutral's [N, 3]; None where it is the neutral's."""
        first = next(iter(self.families.values())).rig
        moves = self.base.means - first.neutral.means
        return moves if first.follows and moves.any() else None


def split_row(rig: Rig, row: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return a row [D] of changes as fields of `Gaussians`, each in its shape."""
    count = len(rig.neutral)
    return {
        ATTRIBUTES[name]: row[first:end].reshape(count, *SHAPES[ATTRIBUTES[name]])
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


def open_head(results: str | Path, families: Sequence[str], *, follow: bool = True) -> Head:
    """Open the head of a finished run, `results/{subject}`, with the named families; the first gives the base.

    Panels are read where the run has made them. With `follow`, Gaussians of families that move centres alone turn and
    grow with the skin. Raises InputError naming what is missing.
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
        neutral_file, template_file = results / "gaussians" / "neutral.h5", results / "template" / "template.h5"
        rig, _ = open_rig(path, neutral_file, template_file, results, follow=follow)
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
    return Head(subject, dict(families), template, Gaussians(**first.fields(first.rest)))
