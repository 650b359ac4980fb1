"""A head under control: one base, moved by several families at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.components.rig import Rig
from splatrig.components.rig_file import read_rig
from splatrig.control.panel import Panel, panel_of, read_panel
from splatrig.dataset.frames import read_frames
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
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
    """Families that move one head together: their displacements add up, on the rest face of the first."""

    subject: str
    families: dict[str, Family]
    template: Template

    def __post_init__(self) -> None:
        _ = self.rig  # which refuses a head without families

    @property
    def faces(self) -> NDArray[np.int64]:
        """Triangles [T, 3] over the Gaussians."""
        return self.template.finest_level.faces

    @property
    def panels(self) -> dict[str, Panel]:
        """The controls of every family."""
        return {name: family.panel for name, family in self.families.items()}

    @cached_property
    def rig(self) -> Rig:
        """The rig of all families; their weights stand one after the other, see `weights`."""
        return Rig.stack([family.rig for family in self.families.values()])

    @property
    def base(self) -> Gaussians:
        """All weights zero, before anything follows the skin; quaternions as stored, of nearly unit length."""
        return self.rig.base

    def weights(self, pose: Pose) -> NDArray[np.float32]:  # [K]
        """Return the weights of all families, one after the other, as `rig` takes them."""
        parts = [pose.get(name, np.zeros(family.rig.count)) for name, family in self.families.items()]
        return np.concatenate(parts).astype(np.float32)

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians of a pose, quaternions of unit length."""
        return self.rig.pose(self.weights(pose))


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

    Panels are read where the run has made them. Gaussians of families that move centers alone turn and grow with the
    skin. Raises InputError naming what is missing.
    """
    results = Path(results)
    for name in ("template/template.h5", "gaussians/neutral.h5", "frames.csv"):
        if not (results / name).is_file():
            raise InputError(f"{results}: {name} is missing; run snakemake first, or name the results of a subject.")
    template = read_template(results / "template" / "template.h5")
    neutral = read_fitted_frames(results / "gaussians" / "neutral.h5").gaussians[0]
    frames = read_frames(results / "frames.csv")
    frame = frames[frames["neutral"]].iloc[0]
    opened = {}
    for name in families:
        path = component_path(results, name, list(template.levels))
        rig = read_rig(path, neutral, template)
        panel_file = results / "control" / "panels" / f"{name}.json"
        panel = (
            read_panel(panel_file)
            if panel_file.is_file()
            else panel_of(
                name,
                rig.components,
                template.finest_level,
                subject=results.name,
                neutral_frame=f"{frame['expression']}/{frame['frame']}",
            )
        )
        if panel.count != rig.count:
            raise InputError(
                f"{panel_file}: is of {panel.count} components, {path} has {rig.count}; run snakemake to update it."
            )
        opened[name] = Family(rig, panel)
    return Head(results.name, opened, template)
