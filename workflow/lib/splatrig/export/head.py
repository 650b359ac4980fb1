"""The head as a glTF mesh: vertex colours, one named morph target a component, animations.

Weight 1 of a target is the end of its component's range in the data, so that sliders from 0 to 1 do what one expects;
-1 is the same way back, for components of both signs. Opens in Blender, three.js and whatever else reads glTF 2.0;
names are in `extras.targetNames`, where these two look for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.components.rig import Rig
from splatrig.export.glb import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, Glb
from splatrig.export.splats import linear_colors
from splatrig.gaussians.axes import METRE
from splatrig.io.errors import InputError
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.template import Level

UNLIT = "KHR_materials_unlit"
"""The colours are photographs': they hold the light of the capture already."""


@dataclass(frozen=True)
class MorphHead:
    """A mesh with K named morph targets, in millimetres of head space."""

    vertices: NDArray[np.float64]  # [V, 3] at rest
    faces: NDArray[np.int64]  # [T, 3]
    colors: NDArray[np.float64]  # [V, 3] linear, in [0, 1]
    targets: NDArray[np.float32]  # [K, V, 3] displacement at weight 1
    names: tuple[str, ...]
    units: NDArray[np.float64]  # [K]
    """The component's coefficient at which its target has weight 1."""


@dataclass(frozen=True)
class Clip:
    """An animation: weights of the morph targets over time, linear between rows."""

    name: str
    times: NDArray[np.float64]  # [T] seconds, increasing from 0
    weights: NDArray[np.float64]  # [T, K]


def morph_head(
    rig: Rig,
    level: Level,  # of the template: its first V vertices are the rig's first V Gaussians
    names: Sequence[str],
    low: NDArray,  # [K] least coefficients in the data, never above 0
    high: NDArray,  # [K] greatest ones, never below 0
) -> MorphHead:
    """Return the mesh of one level, moved by the centres' part of the rig's components.

    Raises InputError when the components move no centres.
    """
    moves = rig.components.displacements
    if moves is None:
        raise InputError("morph targets: expected components that move centres (xyz); these move none.")
    count = len(level.vertices)
    units = np.where(np.asarray(high) >= -np.asarray(low), high, low).astype(np.float64)
    units = np.where(units == 0, 1.0, units)
    targets = (moves[:, :count] * units[:, None, None]).astype(np.float32)
    rest = rig.pose(np.zeros(rig.count))
    vertices = level.vertices + (rest.means - rig.neutral.means)[:count]
    return MorphHead(vertices, level.faces, linear_colors(rest)[:count], targets, tuple(names), units)


def component_clip(head: MorphHead, *, seconds: float = 1.2, rate: float = 12.0) -> Clip:
    """Return an animation of one target after the other, each to 1 and back along half a cosine."""
    steps = max(2, round(seconds * rate))
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(steps) / steps)
    count = len(head.targets)
    weights = np.zeros((count * steps + 1, count))
    for k in range(count):
        weights[k * steps : (k + 1) * steps, k] = wave
    return Clip("components", np.arange(len(weights)) / rate, weights)


def write_head_glb(path: str | Path, head: MorphHead, clips: Sequence[Clip], *, name: str = "head") -> None:
    """Write the head as a GLB in metres, y up, looking along +z; sparse targets are stored sparse."""
    glb = Glb()
    colors = np.concatenate([head.colors, np.ones((len(head.colors), 1))], axis=1)
    attributes = {
        "POSITION": glb.add((head.vertices / METRE).astype(np.float32), target=ARRAY_BUFFER, bounds=True),
        "NORMAL": glb.add(vertex_normals(head.vertices, head.faces).astype(np.float32), target=ARRAY_BUFFER),
        "COLOR_0": glb.add(np.rint(colors * 65535.0).astype(np.uint16), target=ARRAY_BUFFER, normalized=True),
    }
    indices = glb.add(head.faces.reshape(-1).astype(np.uint32), target=ELEMENT_ARRAY_BUFFER)
    targets = [{"POSITION": glb.add_sparse((target / METRE).astype(np.float32))} for target in head.targets]
    primitive = {"attributes": attributes, "indices": indices, "material": 0, "targets": targets}
    extras = {"targetNames": list(head.names), "coefficientAtWeight1": head.units.tolist()}
    mesh = {"name": name, "primitives": [primitive], "weights": [0.0] * len(targets), "extras": extras}
    material = {"name": "skin", "pbrMetallicRoughness": {"metallicFactor": 0.0}, "extensions": {UNLIT: {}}}
    glb.show(name, mesh, UNLIT)
    glb.document["materials"] = [material]
    if clips:
        glb.document["animations"] = [_animation(glb, clip) for clip in clips]
    glb.write(path)


def _animation(glb: Glb, clip: Clip) -> dict:
    times = glb.add(clip.times.astype(np.float32), bounds=True)
    weights = glb.add(clip.weights.astype(np.float32).reshape(-1))
    return {
        "name": clip.name,
        "samplers": [{"input": times, "output": weights, "interpolation": "LINEAR"}],
        "channels": [{"sampler": 0, "target": {"node": 0, "path": "weights"}}],
    }
