"""Light of the stage on a posed head: soft shadows and ambient occlusion, cast once per frame and stored per vertex."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from embreex import rtcore_scene
from numpy.typing import NDArray
from scipy.interpolate import interp1d

from splatrig.capture.demo.head import EYES, FACE, MOUTH, NECK, TEETH, TONGUE, FineHead
from splatrig.capture.demo.rig import REST_POSE
from splatrig.capture.demo.strands import Strands, unit

LIFT_MM = 0.4
"""Shadow rays start this far above the surface."""
STRAND_LIFT_MM = 1.2
"""Shadow rays of strands start this far towards the light, out of their own ribbon."""
THROUGH_HAIR = 0.25
"""Fraction of the light that reaches a strand behind others."""
CORNEA_MM = 2.5
"""Distance in front of the eyeball's vertices from which highlights are cast: lids do not shade the bulging, wet
cornea."""
MOUTH_LIGHT = np.array([0.20, 0.12, 0.10], dtype=np.float32)
"""Irradiance inside the mouth from light that the walls of the mouth reflect."""
DIFFUSION_STEPS = (5, 2, 1)
"""Light seeps through skin: smoothing steps of red, green, blue along the vertices."""


@dataclass(frozen=True)
class Lamp:
    """A group of light directions that share a color; the first `glossy` ones cast highlights."""

    azimuth: float
    """Degrees around the head, 0 in front, positive towards the person's left."""
    elevation: float
    radius: float
    """Degrees from the middle to the rim."""
    color: tuple[float, float, float]
    """Irradiance of a surface that faces it."""
    samples: int
    highlight: bool


LAMPS = (
    Lamp(-36.0, 26.0, 13.0, (2.75, 2.62, 2.42), 7, True),
    Lamp(52.0, 12.0, 16.0, (0.62, 0.63, 0.66), 5, True),
    Lamp(-15.0, 7.0, 5.0, (0.40, 0.40, 0.40), 2, True),
    Lamp(150.0, 40.0, 10.0, (0.75, 0.80, 0.90), 3, True),
    Lamp(-140.0, 25.0, 10.0, (0.55, 0.52, 0.48), 3, True),
)
DOME_SAMPLES = 20
DOME_TOP, DOME_BOTTOM = np.array([0.50, 0.50, 0.51]), np.array([0.22, 0.20, 0.185])
"""Irradiance by the dome from above and from below."""


@dataclass(frozen=True)
class Lights:
    """Directions towards the light in the world, with color and, for highlights, the lamp they belong to."""

    directions: NDArray[np.float64]  # [l, 3]
    colors: NDArray[np.float64]  # [l, 3]
    lamps: NDArray[np.int64]  # [l]
    """Index among `highlights`, or -1."""
    highlights: NDArray[np.float64]  # [h, 3]
    highlight_colors: NDArray[np.float64]  # [h, 3]


@dataclass(frozen=True)
class Illumination:
    """Light at the vertices of a posed head."""

    irradiance: NDArray[np.float32]  # [m, 3]
    main: NDArray[np.float32]  # [m, 3]
    """Mean direction towards the light times its amount, in head space; it tells how irradiance changes with the
    normal."""
    visible: NDArray[np.float32]  # [m, h]
    """Fraction of each highlight's lamp that is not in shadow."""


def stage_lights() -> Lights:
    """Return the lights of the stage in the world."""
    to_world = REST_POSE[:, :3]
    directions, colors, lamps, middles = [], [], [], []
    for index, lamp in enumerate(LAMPS):
        middle = _direction(lamp.azimuth, lamp.elevation)
        side = np.cross(middle, [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        up = np.cross(side, middle)
        for sample in range(lamp.samples):
            reach = np.tan(np.radians(lamp.radius)) * np.sqrt((sample + 0.5) / lamp.samples)
            turn = 2.399963 * sample
            point = middle + reach * (np.cos(turn) * side + np.sin(turn) * up)
            directions.append(point / np.linalg.norm(point))
            colors.append(np.array(lamp.color) / lamp.samples)
            lamps.append(index if lamp.highlight else -1)
        middles.append(middle)
    for sample in range(DOME_SAMPLES):
        height = 1.0 - 2.0 * (sample + 0.5) / DOME_SAMPLES
        turn = 2.399963 * sample
        across = np.sqrt(1.0 - height**2)
        directions.append(np.array([across * np.cos(turn), height, across * np.sin(turn)]))
        share = 0.5 + 0.5 * height
        colors.append((share * DOME_TOP + (1.0 - share) * DOME_BOTTOM) * 2.0 / (0.5 * DOME_SAMPLES))
        lamps.append(-1)
    return Lights(
        directions=np.array(directions) @ to_world.T,
        colors=np.array(colors),
        lamps=np.array(lamps),
        highlights=np.array(middles) @ to_world.T,
        highlight_colors=np.array([lamp.color for lamp in LAMPS]),
    )


def illuminate(
    fine: FineHead,
    scene: rtcore_scene.EmbreeScene,
    vertices: NDArray[np.float64],  # [m, 3]
    normals: NDArray[np.float64],  # [m, 3]
    lights: Lights,
    head_to_world: NDArray[np.float64],  # [3, 4]
) -> tuple[Illumination, int]:
    """Cast the shadow rays of a posed head; return the light at its vertices and the number of rays.

    Rays start at the vertices of the last subdivision level but one and their light is interpolated to the finest.
    """
    count = fine.spread.shape[1]
    directions = (lights.directions @ head_to_world[:, :3]).astype(np.float32)
    points, upward = vertices[:count], normals[:count]
    starts = (points + LIFT_MM * upward).astype(np.float32)
    cosines = upward.astype(np.float32) @ directions.T
    vertex, light = np.nonzero(cosines > 0.0)
    open_sky = scene.run(starts[vertex], directions[light], query="OCCLUDED") < 0
    lit = np.zeros(cosines.shape, dtype=np.float32)
    lit[vertex, light] = open_sky

    colors = lights.colors.astype(np.float32)
    irradiance = (lit * cosines) @ colors
    main = lit @ (colors.mean(axis=1)[:, None] * directions)
    visible = np.zeros((count, len(lights.highlights)), dtype=np.float32)
    for lamp in range(visible.shape[1]):
        visible[:, lamp] = lit[:, lights.lamps == lamp].mean(axis=1)
    eyes = _vertices_of(fine, (EYES,), count)
    above = (points[eyes] + CORNEA_MM * upward[eyes]).astype(np.float32)
    for lamp in range(visible.shape[1]):
        towards = directions[lights.lamps == lamp]
        ends = np.repeat(above, len(towards), axis=0), np.tile(towards, (len(above), 1))
        visible[eyes, lamp] = (scene.run(*ends, query="OCCLUDED") < 0).reshape(len(eyes), -1).mean(axis=1)
    irradiance = _diffuse(fine, irradiance)
    irradiance[_vertices_of(fine, (MOUTH, TEETH, TONGUE), count)] += MOUTH_LIGHT
    spread = fine.spread.astype(np.float32)
    return Illumination(spread @ irradiance, spread @ main, spread @ visible), len(vertex)


def illuminate_strands(
    scene: rtcore_scene.EmbreeScene,
    strands: Strands,
    lights: Lights,
    head_to_world: NDArray[np.float64],  # [3, 4]
) -> tuple[Illumination, int]:
    """Cast the shadow rays of strands; return the light at the vertices of their ribbons and the number of rays.

    Strands shine as Kajiya & Kay's cylinders (1989): by the sine between them and the light. Every other node of the
    strands that lend their light casts rays; behind other strands, `THROUGH_HAIR` of the light arrives.
    """
    lenders, borrowed = np.unique(strands.lit_by, return_inverse=True)
    points = strands.points[lenders]
    nodes = points.shape[1]
    cast = np.unique(np.linspace(0, nodes - 1, (nodes + 1) // 2).astype(int))
    directions = (lights.directions @ head_to_world[:, :3]).astype(np.float32)
    along = unit(np.gradient(points, axis=1))[:, cast].reshape(-1, 3).astype(np.float32)
    towards = np.tile(directions, (len(along), 1))
    starts = np.repeat(points[:, cast].reshape(-1, 3), len(directions), axis=0) + STRAND_LIFT_MM * towards
    open_sky = scene.run(starts, towards, query="OCCLUDED") < 0
    lit = np.where(open_sky.reshape(len(along), -1), 1.0, THROUGH_HAIR).astype(np.float32)
    sines = np.sqrt(np.maximum(1.0 - (along @ directions.T) ** 2, 0.0))
    irradiance = (lit * sines) @ lights.colors.astype(np.float32)
    visible = np.stack([lit[:, lights.lamps == lamp].mean(axis=1) for lamp in range(len(lights.highlights))], axis=1)
    known = np.concatenate([irradiance, visible], axis=1).reshape(len(lenders), len(cast), -1)
    values = interp1d(cast, known, axis=1)(np.arange(nodes))[borrowed]
    at_vertices = np.repeat(values.reshape(-1, values.shape[-1]), 2, axis=0).astype(np.float32)
    none = np.zeros((len(at_vertices), 3), dtype=np.float32)
    return Illumination(at_vertices[:, :3], none, at_vertices[:, 3:]), len(starts)


def _vertices_of(fine: FineHead, parts: tuple[int, ...], count: int) -> NDArray[np.int64]:
    """Return which of the first `count` vertices belong to some parts of the head."""
    used = np.unique(fine.triangles[np.isin(fine.triangle_parts, parts)])
    return used[used < count].astype(np.int64)


def _diffuse(fine: FineHead, irradiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth the irradiance [k, 3] along the skin, red more than green and blue."""
    average = diffusion(fine)
    skin = fine.triangles[np.isin(fine.triangle_parts, (FACE, NECK))]
    outside = np.ones(len(irradiance), dtype=bool)
    outside[skin[skin < len(irradiance)]] = False
    seeped = irradiance.copy()
    for channel, steps in enumerate(DIFFUSION_STEPS):
        for _ in range(steps):
            seeped[:, channel] = average @ seeped[:, channel]
    seeped[outside] = irradiance[outside]
    return seeped


def diffusion(fine: FineHead) -> sp.csr_matrix:
    """Return one smoothing step [k, k] among the vertices of the last level but one."""
    count = fine.spread.shape[1]
    shared = fine.spread[count:]
    together = (shared.T @ shared).astype(np.float32).tocsr()
    return sp.diags(1.0 / np.asarray(together.sum(axis=1)).ravel()).astype(np.float32) @ together


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Return the direction at these degrees in the rest head's frame (x left of the person, y up, z front)."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
