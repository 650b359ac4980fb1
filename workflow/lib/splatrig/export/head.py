"""The head as a glTF mesh: vertex colors, named morph targets, animations.

Weights of targets are in [0, 1], since Blender and others clamp them. A component whose weights have one sign is one
target under its own name. One with both signs is two targets, `name +` and `name -`, of which one is 0 at any time. The
file opens in Blender, three.js and other glTF 2.0 readers; names are in `extras.targetNames`, where these two look for
them.
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
"""Extension for unlit materials: the colors are those of photographs and already contain the light of the capture."""


LONGEST_NAME = 63
"""Maximum length in UTF-8 bytes of a morph target's name; Blender truncates longer ones, and drops names that are then
equal."""


@dataclass(frozen=True)
class MorphHead:
    """A mesh with M named morph targets, in millimeters of head space."""

    vertices: NDArray[np.float64]  # [V, 3] at rest
    faces: NDArray[np.int64]  # [T, 3]
    colors: NDArray[np.float64]  # [V, 3] linear, in [0, 1]
    targets: NDArray[np.float32]  # [M, V, 3] displacement at weight 1
    names: tuple[str, ...]  # M distinct names of at most `LONGEST_NAME` bytes
    components: NDArray[np.int64]  # [M]
    """Component of the rig that each target belongs to."""
    units: NDArray[np.float64]  # [M]
    """Coefficient of the component at which its target has weight 1; negative for targets of negative coefficients."""

    def weights(self, coefficients: NDArray) -> NDArray[np.float64]:  # [..., M] from [..., K]
        """Return the weights of the targets, in [0, 1], that move the mesh as the given coefficients do."""
        return np.clip(coefficients[..., self.components] / self.units, 0.0, 1.0)


@dataclass(frozen=True)
class Clip:
    """An animation: weights of the morph targets over time, linear between rows."""

    name: str
    times: NDArray[np.float64]  # [T] seconds, increasing from 0
    weights: NDArray[np.float64]  # [T, M], in [0, 1]


def morph_head(
    rig: Rig,
    level: Level,  # level of the template, whose V vertices are the rig's first V Gaussians
    names: Sequence[str],  # K
    low: NDArray,  # [K] least coefficients that targets must reach, never above 0
    high: NDArray,  # [K] greatest coefficients, never below 0
) -> MorphHead:
    """Return the mesh of one level, with the rig's displacements of centers as morph targets.

    A target's weight 1 is the limit of the model if it has one (ARKit's 1 is 1), otherwise the end of the given range.
    Raises InputError when the components move no centers.
    """
    moves = rig.components.displacements
    if moves is None:
        raise InputError(
            "morph targets: expected components that move centers (xyz), got others; "
            "export another family (export.family)."
        )
    limits, given = np.stack(rig.limits[::-1]), np.stack([high, low])
    ends = np.where(np.isfinite(limits), limits, given)  # [2, K]
    ends[0, (ends == 0).all(axis=0)] = 1.0  # for components that no frame uses
    components, sides = np.nonzero(ends.T)
    units = ends[sides, components]
    both = (ends != 0).all(axis=0)
    named = [
        (names[k], (" +", " -")[side] if both[k] else "")
        for k, side in zip(components.tolist(), sides.tolist(), strict=True)
    ]
    count = len(level.vertices)
    targets = (moves[components, :count] * units[:, None, None]).astype(np.float32)
    rest = rig.pose(np.zeros(rig.count))
    vertices = level.vertices + (rest.means - rig.neutral.means)[:count]
    colors = linear_colors(rest)[:count]
    return MorphHead(vertices, level.faces, colors, targets, target_names(named), components, units)


def target_names(named: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return names with their endings, truncated to `LONGEST_NAME` bytes; names that would be equal get a number."""
    made: list[str] = []
    for name, ending in named:
        number, short = 1, _cut(name, ending)
        while short in made:
            number += 1
            short = _cut(name, f" ({number}){ending}")
        made.append(short)
    return tuple(made)


def _cut(name: str, ending: str) -> str:
    room = LONGEST_NAME - len(ending.encode())
    return name.encode()[:room].decode(errors="ignore").rstrip() + ending


def component_clip(head: MorphHead, *, seconds: float = 1.2, rate: float = 12.0) -> Clip:
    """Return an animation of one target after the other, each to 1 and back along half a cosine."""
    steps = max(2, round(seconds * rate))
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(steps) / steps)
    count = len(head.targets)
    weights = np.zeros((count * steps + 1, count))
    for k in range(count):
        weights[k * steps : (k + 1) * steps, k] = wave
    return Clip("components", np.arange(len(weights)) / rate, weights)


def write_head_glb(
    path: str | Path, head: MorphHead, clips: Sequence[Clip], *, name: str = "head", sparse: bool = False
) -> None:
    """Write the head as a GLB in meters, y up, looking along +z.

    `sparse` stores only the vertices that a target moves, if that is shorter; some programs cannot read it.
    """
    glb = Glb()
    colors = np.concatenate([head.colors, np.ones((len(head.colors), 1))], axis=1)
    attributes = {
        "POSITION": glb.add((head.vertices / METRE).astype(np.float32), target=ARRAY_BUFFER, bounds=True),
        "NORMAL": glb.add(vertex_normals(head.vertices, head.faces).astype(np.float32), target=ARRAY_BUFFER),
        "COLOR_0": glb.add(np.rint(colors * 65535.0).astype(np.uint16), target=ARRAY_BUFFER, normalized=True),
    }
    indices = glb.add(head.faces.reshape(-1).astype(np.uint32), target=ELEMENT_ARRAY_BUFFER)
    moves = [(target / METRE).astype(np.float32) for target in head.targets]
    targets = [
        {"POSITION": glb.add_sparse(move) if sparse else glb.add(move, target=ARRAY_BUFFER, bounds=True)}
        for move in moves
    ]
    primitive = {"attributes": attributes, "indices": indices, "material": 0, "targets": targets}
    extras = {
        "targetNames": list(head.names),
        "components": head.components.tolist(),
        "coefficientAtWeight1": head.units.tolist(),
    }
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
