"""Show a family of components: choice of weights, images and labels."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import fill, shorten

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.animation.heatmap import MeshView, color_bar, look, nice_ceiling
from splatrig.animation.pictures import Picture, beside, contact_sheet
from splatrig.animation.render import Renderer, lens_blur, picture_cameras
from splatrig.components.component_file import Components
from splatrig.components.rig import Rig
from splatrig.dataset.cameras import Cameras
from splatrig.mesh.template import Level

logger = logging.getLogger(__name__)

DEVIATIONS = 2.0
"""Two-sided weights are shown at plus and minus this many standard deviations: clearly visible, but still usual."""

ANIMATION_FRAMES = 24
"""Frames in one loop of a component: two seconds at the 12 frames per second of the animations."""

ONE_SIDED = 1e-6
"""Weights count as one-sided when those of the other sign are below this fraction of the largest."""


@dataclass(frozen=True)
class Swing:
    """Range of weights over which one component is shown, around the rest face (weight 0)."""

    component: int
    low: float
    """Smallest weight shown; 0 for one-sided weights."""
    high: float
    """Largest weight shown; for one-sided weights, the one farthest from 0, which may be negative."""
    low_label: str
    high_label: str

    def stops(self) -> list[tuple[float, str]]:
        """Return (weight, label) of the stills, left to right; the rest face is in the middle of three.

        A one-sided component has no negative side, so its rest face comes first and half the weight second.
        """
        rest = (0.0, "neutral, w = 0")
        if self.low == 0.0:
            return [rest, (self.high / 2, f"half, w = {self.high / 2:.3g}"), (self.high, self.high_label)]
        return [(self.low, self.low_label), rest, (self.high, self.high_label)]

    def path(self, frames: int) -> NDArray[np.float64]:  # [frames]
        """Return weights of a loop through rest, high, rest, low (one-sided: rest, high), smooth at the extremes."""
        phase = 2.0 * np.pi * np.arange(frames) / frames
        if self.low == 0.0:
            return self.high * (1.0 - np.cos(phase)) / 2.0
        wave = np.sin(phase)
        return np.where(wave > 0, self.high * wave, -self.low * wave)


def swing_of(weights: NDArray, component: int, deviations: float = DEVIATIONS) -> Swing:
    """Return the range of a component whose fitted weights over the frames are `weights` [F].

    Two-sided weights go to ± `deviations` standard deviations; one-sided ones (SLDC) from 0 to their largest, since the
    model excludes negative or larger weights.
    """
    largest, smallest = float(weights.max(initial=0.0)), float(weights.min(initial=0.0))
    farthest, other = (largest, smallest) if largest >= -smallest else (smallest, largest)
    if abs(other) <= ONE_SIDED * max(abs(farthest), 1e-12):
        return Swing(component, 0.0, farthest, "", f"largest, w = {farthest:.3g}")
    reach = deviations * float(weights.std())
    return Swing(
        component, -reach, reach, f"-{deviations:g} std, w = {-reach:.3g}", f"+{deviations:g} std, w = {reach:.3g}"
    )


def swing_in(components: Components, k: int) -> Swing:
    """Return the range of component `k` of a family: 0 to 1 for blendshapes, whatever the frames use of them."""
    if components.told is None:
        return swing_of(components.W[:, k], k)
    return Swing(k, 0.0, 1.0, "", "w = 1" if components.told[k] else "w = 1, not in the capture")


def pictured(components: Components, count: int) -> list[int]:
    """Return the `count` components that are shown: the first ones, or the blendshapes that move the frames most."""
    order = components.by_energy() if components.are_blendshapes else np.arange(len(components))
    return order[:count].tolist()


def weights_at(rig: Rig, component: int, weight: float) -> NDArray[np.float32]:  # [K]
    """Return weights that are zero except for one component."""
    weights = np.zeros(rig.count, dtype=np.float32)
    weights[component] = weight
    return weights


def displacement_mm(rig: Rig, swing: Swing) -> NDArray[np.float32]:  # [N]
    """Return the displacement (mm) of each structured center from the rest face at the largest weight shown."""
    there = rig.pose(weights_at(rig, swing.component, swing.high)).means
    here = rig.pose(np.zeros(rig.count)).means
    return np.linalg.norm(there - here, axis=1)[: rig.components.structured]


def frontal_order(cameras: Cameras, means: NDArray) -> NDArray[np.int64]:  # [C]
    """Return camera indices, sorted from the most to the least frontal view of the face (head space +z)."""
    away = cameras.centers - means.mean(axis=0)
    return np.argsort(-away[:, 2] / np.linalg.norm(away, axis=1), kind="stable")


@dataclass(frozen=True)
class FamilyPictures:
    """All images of one family."""

    stills: dict[str, Picture]
    """Labeled row of one component by file name: its stops from one camera, side by side."""
    sheet: Picture
    """One row per component: its stops, and a heat map of its motion."""
    animation: list[Picture]
    """All components side by side, each through its loop."""
    heat: Picture
    """One heat map per component on a common scale, with the color bar."""
    largest_mm: float
    """Upper end of the heat maps' scale."""


def picture_family(
    rig: Rig,
    cameras: Cameras,  # cameras in the head space of the neutral
    view: MeshView,
    *,
    components: list[int],
    frames: int = ANIMATION_FRAMES,
    renderer: Renderer | None = None,
) -> FamilyPictures:
    """Render `components` from `cameras` (stills: all of them; sheet and animation: the first)."""
    renderer = renderer or Renderer()

    def seen_from(cameras: Cameras, component: int, weights: Iterable[float]) -> NDArray[np.uint8]:  # [S, C, H, W, 3]
        """Return images of one component at some weights."""
        return np.stack([renderer.images(rig.pose(weights_at(rig, component, w)), cameras) for w in weights])

    swings = [swing_in(rig.components, k) for k in components]
    first = cameras.select([0])
    stills, rows, captions, titles = {}, [], [], []
    fields = [displacement_mm(rig, swing) for swing in swings]
    largest = nice_ceiling(max(float(field.max()) for field in fields))
    maps = [view.paint(field, largest) for field in fields]
    for swing, field, painted in zip(swings, fields, maps, strict=True):
        stops = swing.stops()
        seen = seen_from(cameras, swing.component, [weight for weight, _ in stops])
        labels = [text for _, text in stops]
        for camera, name in enumerate(cameras.names):
            stills[f"component_{swing.component + 1:02d}_{name}.png"] = contact_sheet(
                [list(seen[:, camera])], captions=[labels]
            )
        rows.append([*seen[:, 0], painted])
        captions.append([*labels, f"moves up to {field.max():.3g} mm"])
        titles.append(component_title(rig, swing.component))
    bar = color_bar(view.face_at.shape[0] // view.samples, largest, "mm")
    sheet = beside([contact_sheet(rows, row_titles=titles, captions=captions, title_width=150), bar])
    heads = [fill(component_name(rig, swing.component), max(12, maps[0].shape[1] // 8)) for swing in swings]
    heat = beside([contact_sheet([maps], column_titles=heads), bar])
    moving = [seen_from(first, swing.component, swing.path(frames))[:, 0] for swing in swings]
    animation = [contact_sheet([list(pictures)], column_titles=heads) for pictures in zip(*moving, strict=True)]
    return FamilyPictures(stills, sheet, animation, heat, largest)


def draw_family(
    rig: Rig,
    photographed: Cameras,  # cameras in the head space of the neutral
    level: Level,
    components: int,
    image_height: int,
    device: str | torch.device = "cpu",
) -> FamilyPictures:
    """Render this many `components` of a family from the most frontal camera and from the held-out cameras.

    Args:
        rig: Rig of the family.
        photographed: Cameras of the capture, in the head space of the neutral.
        level: Level of the template on which heat maps are drawn.
        components: Number of components.
        image_height: Height of the images in pixels.
        device: Device of the rendering.
    """
    cameras = picture_cameras(photographed, image_height)
    cameras = cameras.select(frontal_order(cameras, rig.neutral.means))
    shown = cameras.select([0, *np.flatnonzero(cameras.held_out[1:]) + 1])
    pictures = picture_family(
        rig,
        shown,
        look(level.vertices, level.faces, cameras),
        components=pictured(rig.components, components),
        renderer=Renderer(device, widen_mm2=lens_blur(photographed, rig.neutral.means.mean(axis=0), cameras)),
    )
    logger.info("%d stills of cameras %s", len(pictures.stills), ", ".join(shown.names))
    return pictures


def acts_on(rig: Rig, component: int) -> str:
    """Return the region where a component acts and the face unit that it resembles, from its name, one per line.

    Names are `SLDC 04 · mouth left · E010_Smile_Stretched · mouthSmileLeft 0.91`; for other names, the first words are
    returned.
    """
    if not rig.components.names:
        return ""
    name = rig.components.names[component]
    _, *parts = name.split(" · ")
    lines = [parts[0], *parts[2:]] if len(parts) > 1 else [shorten(name, 24, placeholder=" …")]
    return "".join(f"{line}\n" for line in lines)


def component_name(rig: Rig, component: int) -> str:
    """Return a component's readable name, or its number if no name was assigned."""
    names = rig.components.names
    return names[component].replace("_", " ") if names else f"component {component + 1}"


def component_title(rig: Rig, component: int) -> str:
    """Return a component's name over several lines: its number, where it acts, in which expressions."""
    return "\n".join(fill(part, 20) for part in component_name(rig, component).split(" · "))


def compare_heat(rigs: Mapping[str, Rig], view: MeshView, components: int) -> Picture:
    """Return an image of where this many `components` of several families act, one row per family, on one scale in mm.

    Cells are empty where a family has fewer components.
    """
    shown = {title: pictured(rig.components, components) for title, rig in rigs.items()}
    fields = {
        title: [displacement_mm(rig, swing_in(rig.components, k)) for k in shown[title]] for title, rig in rigs.items()
    }
    largest = nice_ceiling(max(float(field.max()) for own in fields.values() for field in own))
    nothing = np.full_like(view.paint(np.zeros(next(iter(rigs.values())).components.structured), 1.0), 255)
    rows = [
        [view.paint(field, largest) for field in own] + [nothing] * (components - len(own)) for own in fields.values()
    ]
    sheet = contact_sheet(
        rows,
        row_titles=[title.replace(" (", "\n(") for title in fields],
        column_titles=[f"component {k + 1}" for k in range(components)],
        captions=[
            [f"{acts_on(rigs[title], k)}up to {field.max():.3g} mm" for k, field in zip(shown[title], own, strict=True)]
            + [""] * (components - len(own))
            for title, own in fields.items()
        ],
        title_width=150,
    )
    return beside([sheet, color_bar(len(rows[0][0]), largest, "mm")])
