"""How a family of components is shown: which weights, which pictures, which labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.animation.heatmap import MeshView, color_bar, nice_ceiling
from splatrig.animation.pictures import Picture, beside, contact_sheet
from splatrig.animation.render import render_sequence
from splatrig.animation.rig import Rig
from splatrig.capture.cameras import Cameras

ONE_SIDED = 1e-6
"""Weights count as one-sided when none is below minus this share of the largest."""


@dataclass(frozen=True)
class Swing:
    """How far one component is moved in its pictures, from the rest face (weight 0)."""

    component: int
    low: float
    """Smallest weight shown; 0 for one-sided weights."""
    high: float
    """Largest weight shown."""
    low_label: str
    high_label: str

    def stops(self) -> list[tuple[float, str]]:
        """Return (weight, label) of the stills, left to right; the rest face stands in the middle of three.

        A one-sided component has no negative side, so its rest face comes first and a half-way weight second.
        """
        rest = (0.0, "neutral, w = 0")
        if self.low == 0.0:
            return [rest, (self.high / 2, f"half of it, w = {self.high / 2:.3g}"), (self.high, self.high_label)]
        return [(self.low, self.low_label), rest, (self.high, self.high_label)]

    def path(self, frames: int) -> NDArray[np.float64]:  # [frames]
        """Return weights of a loop through rest, high, rest, low (one-sided: rest, high), smooth at the turns."""
        phase = 2.0 * np.pi * np.arange(frames) / frames
        if self.low == 0.0:
            return self.high * (1.0 - np.cos(phase)) / 2.0
        wave = np.sin(phase)
        return np.where(wave > 0, self.high * wave, -self.low * wave)


def swing_of(weights: NDArray, component: int, deviations: float) -> Swing:
    """Return how far to move a component whose fitted weights over the frames are `weights` [F].

    Two-sided weights go to ± `deviations` standard deviations; one-sided ones (SLDC) from 0 to their largest, since a
    negative or larger weight is outside of what the model allows.
    """
    largest, smallest = float(weights.max(initial=0.0)), float(weights.min(initial=0.0))
    if smallest >= -ONE_SIDED * max(largest, 1e-12):
        return Swing(component, 0.0, largest, "", f"largest, w = {largest:.3g}")
    reach = deviations * float(weights.std())
    return Swing(
        component, -reach, reach, f"-{deviations:g} std, w = {-reach:.3g}", f"+{deviations:g} std, w = {reach:.3g}"
    )


def weights_at(rig: Rig, component: int, weight: float) -> NDArray[np.float32]:  # [K]
    """Return all weights zero but one."""
    weights = np.zeros(rig.count, dtype=np.float32)
    weights[component] = weight
    return weights


def displacement_mm(rig: Rig, swing: Swing) -> NDArray[np.float32]:  # [N]
    """Return how far each Gaussian's centre moves from the rest face at the largest weight shown, in mm."""
    there = rig.gaussians(weights_at(rig, swing.component, swing.high)).means
    here = rig.gaussians(np.zeros(rig.count)).means
    return np.linalg.norm(there - here, axis=1)


@dataclass(frozen=True)
class FamilyPictures:
    """Everything that is shown of one family."""

    stills: dict[str, Picture]
    """File name to a labelled row of one component: its stops from one camera, side by side."""
    sheet: Picture
    """One row a component: stops, and where it moves the head."""
    animation: list[Picture]
    """All components side by side, each through its loop."""
    heat: Picture
    """One heat map a component on one scale, with the bar."""
    largest_mm: float
    """The end of the heat maps' scale."""


def picture_family(
    rig: Rig,
    cameras: Cameras,  # in the head space of the neutral
    view: MeshView,
    *,
    components: list[int],
    deviations: float,
    frames: int,
    device: str = "cpu",
) -> FamilyPictures:
    """Render `components` from `cameras` (stills: all of them; sheet and animation: the first)."""
    swings = [swing_of(rig.components.W[:, k], k, deviations) for k in components]
    first = cameras.select([0])
    stills, rows, captions, titles = {}, [], [], []
    fields = [displacement_mm(rig, swing) for swing in swings]
    largest = nice_ceiling(max(float(field.max()) for field in fields))
    maps = [view.paint(field, largest) for field in fields]
    for swing, painted in zip(swings, maps, strict=True):
        stops = swing.stops()
        faces = [rig.gaussians(weights_at(rig, swing.component, weight)) for weight, _ in stops]
        seen = render_sequence(faces, cameras, device=device)
        labels = [text for _, text in stops]
        for camera, name in enumerate(cameras.names):
            stills[f"component_{swing.component + 1:02d}_{name}.png"] = contact_sheet(
                [list(seen[:, camera])], captions=[labels]
            )
        rows.append([*seen[:, 0], painted])
        captions.append([*labels, "displacement"])
        titles.append(f"component\n{swing.component + 1}")
    bar = color_bar(view.face_at.shape[0] // view.samples, largest, "mm")
    sheet = beside([contact_sheet(rows, row_titles=titles, captions=captions), bar])
    heat = beside([contact_sheet([maps], column_titles=[title.replace("\n", " ") for title in titles]), bar])
    moving = [
        render_sequence(
            [rig.gaussians(weights_at(rig, swing.component, weight)) for weight in swing.path(frames)],
            first,
            device=device,
        )[:, 0]
        for swing in swings
    ]
    heads = [title.replace("\n", " ") for title in titles]
    animation = [contact_sheet([list(pictures)], column_titles=heads) for pictures in zip(*moving, strict=True)]
    return FamilyPictures(stills, sheet, animation, heat, largest)
