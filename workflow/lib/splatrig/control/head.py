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
"""Weights [K] by family; families that are omitted are at 0."""


@dataclass(frozen=True)
class Family:
    """A family of components with its controls."""

    rig: Rig
    panel: Panel


@dataclass(frozen=True)
class Head:
    """Families that move one head together: their displacements are added, on the rest face of the first."""

    subject: str
    families: dict[str, Family]
    template: Template

    def __post_init__(self) -> None:
        _ = self.rig  # raises for a head without families

    @property
    def faces(self) -> NDArray[np.int64]:
        """Triangles [T, 3] over the Gaussians."""
        return self.template.finest_level.faces

    @property
    def panels(self) -> dict[str, Panel]:
        """Panels of all families, by name."""
        return {name: family.panel for name, family in self.families.items()}

    @cached_property
    def rig(self) -> Rig:
        """Rig of all families; their weights are concatenated, see `weights`."""
        return Rig.stack([family.rig for family in self.families.values()])

    @property
    def base(self) -> Gaussians:
        """Gaussians at zero weights, before they follow the skin; quaternions as stored, of nearly unit length."""
        return self.rig.base

    def weights(self, pose: Pose) -> NDArray[np.float32]:  # [K]
        """Return the weights of all families, concatenated in the order of `rig`."""
        parts = [pose.get(name, np.zeros(family.rig.count)) for name, family in self.families.items()]
        return np.concatenate(parts).astype(np.float32)

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians of a pose, quaternions of unit length."""
        return self.rig.pose(self.weights(pose))


def component_path(results: Path, family: str, levels: Sequence[str]) -> Path:
    """Return the component file of a family, at the finest level that has one; raise InputError if there is none."""
    for level in reversed(levels):
        path = results / "components" / level / f"{family}.h5"
        if path.is_file():
            return path
    known = sorted({path.stem for path in (results / "components").glob("*/*.h5")})
    raise InputError(f"{results}: expected components of family {family}, got {', '.join(known) or 'none'}.")


def open_head(results: str | Path, families: Sequence[str]) -> Head:
    """Open the head of a finished run, `results/{subject}`, with the named families; the first defines the base.

    Panels are read if the run has made them. In families that move only centers, Gaussians rotate and scale with the
    skin. Raises InputError naming what is missing.

    Example:
        >>> head = open_head(Path("results/demo"), ["learned_arkit"])
        >>> gaussians = head.gaussians({"learned_arkit": weights})
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
                f"{panel_file}: expected {rig.count} components, as in {path}, got {panel.count}; "
                "run snakemake to update it."
            )
        opened[name] = Family(rig, panel)
    return Head(results.name, opened, template)
