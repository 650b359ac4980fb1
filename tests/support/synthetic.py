"""A small head with planted deformations: an ellipsoid whose bumps move with known weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import trimesh
from scipy.optimize import linear_sum_assignment

from splatrig.capture.demo.head import load_head
from splatrig.components.attribute_writer import export_attributes
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import Components
from splatrig.components.matrix import AttributeMatrix, Decomposition, in_memory
from splatrig.components.sldc import SldcOptions, SolverOptions
from splatrig.config.support_maps import GaussMap, TrapezoidMap
from splatrig.dataset.frames import FrameRow
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.mesh.mask import nearest_vertices, nose_tip
from splatrig.mesh.template import Level, Template, build_template, identity_step
from splatrig.mesh.topology import prune_unreferenced
from support.demo_head import head_path

ROOT = Path(__file__).resolve().parents[2]


SUPPORTS = {"gauss": GaussMap(sigma=0.2), "trapezoid": TrapezoidMap(d_min=0.1, d_max=0.6)}
"""Support maps by name, as wide as the demo's."""
GAUSS = SUPPORTS["gauss"]


def sldc_options(k: int, lambda_: float = 1.0, *, max_iterations: int = 200, **options) -> SldcOptions:
    """Return options of SLDC, with a number of iterations for tests that need no convergence."""
    return SldcOptions(k, lambda_, solver=SolverOptions(max_iterations=max_iterations), **options)


def small_template(subdivisions: int = 1) -> Template:
    """Return the template of an ellipsoid of 162 vertices, 150 mm wide and 240 mm high."""
    sphere = trimesh.creation.icosphere(subdivisions=2)
    faces = np.asarray(sphere.faces, dtype=np.int64)
    return build_template(sphere.vertices * [75.0, 120.0, 95.0], faces, subdivisions, center_vertex=0, fraction=0.5)


def frame_names(expressions: int, per_expression: int) -> list[FrameRow]:
    """Return frame rows of E000 (the neutral), E001, …; the last expression is held out."""
    return [
        FrameRow(
            expression=f"E{e:03d}",
            frame=f"{6 * t:06d}",
            image_count=1,
            mesh="",
            pose="",
            neutral=e == 0 and t == 0,
            role="held_out" if e == expressions - 1 else "train",
        )
        for e in range(expressions)
        for t in range(per_expression)
    ]


def random_gaussians(template: Template, frame: int) -> Gaussians:
    """Return Gaussians on the finest level whose attributes all move a little, differently in every frame."""
    vertices = template.levels[template.finest].vertices
    rng = np.random.default_rng(frame)
    base = np.random.default_rng(10_000)
    count = len(vertices)

    def around(rest: np.ndarray, size: float) -> np.ndarray:
        still = frame == 0
        return (rest + (0.0 if still else size) * rng.normal(size=rest.shape)).astype(np.float32)

    quats = around(base.normal(size=(count, 4)), 0.1)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    quats *= rng.choice([-1.0, 1.0], size=(count, 1)).astype(np.float32)
    return Gaussians(
        means=around(vertices, 0.5),
        quats=quats,
        log_scales=around(base.normal(size=(count, 3)), 0.2),
        logit_opacities=around(base.normal(size=count), 0.3),
        sh0=around(base.normal(size=(count, 1, 3)), 0.1),
        shN=around(base.normal(size=(count, 15, 3)), 0.01),
    )


@dataclass(frozen=True)
class Exported:
    """A small capture that went through the export."""

    frames: list[FrameRow]
    gaussians: list[Gaussians]
    template: Template
    stores: dict[str, Path]
    attributes: dict[str, Path]

    def reader(self, level: str) -> AttributeReader:
        return AttributeReader(self.attributes[level])


def export_small_capture(folder: Path, expressions: int = 5, per_expression: int = 3) -> Exported:
    """Write gaussians/*.h5 of random frames to `folder` and export them at all levels."""
    template = small_template()
    frames = frame_names(expressions, per_expression)
    gaussians = [random_gaussians(template, number) for number in range(len(frames))]
    stores = {}
    metrics = pd.DataFrame({"frame": ["000000"], "camera": ["400002"], "psnr": [30.0]})
    for expression in dict.fromkeys(row.expression for row in frames):
        chosen = [number for number, row in enumerate(frames) if row.expression == expression]
        stores[expression] = folder / f"gaussians/{expression}.h5"
        names, values = tuple(frames[i].frame for i in chosen), tuple(gaussians[i] for i in chosen)
        write_fitted_frames(stores[expression], FittedFrames(expression, names, values, metrics, {}))
    outputs = {level: folder / f"attributes/{level}.h5" for level in template.levels}
    export_attributes(frames, stores, template, outputs, "small")
    return Exported(frames, gaussians, template, stores, outputs)


def random_matrix(frames: int = 12, gaussians: int = 90, seed: int = 0, noise: float = 0.05) -> AttributeMatrix:
    """Return a matrix of all four attributes with a few strong directions, noise, and a large constant part."""
    rng = np.random.default_rng(seed)
    arrays = {}
    weights = rng.normal(size=(frames, 5)) * [3.0, 2.0, 1.3, 0.8, 0.5]
    for name, width, size in [("xyz", 3, 1.0), ("f_dc", 3, 0.1), ("rotation", 4, 0.02), ("scale", 3, 0.3)]:
        columns = gaussians * width
        moving = weights @ rng.normal(size=(5, columns)) + noise * rng.normal(size=(frames, columns))
        arrays[name] = (100.0 * rng.normal(size=columns) + size * moving).astype(np.float32)
    return in_memory(arrays)


@dataclass(frozen=True)
class Sheet:
    """A flat square sheet with bumps of known center, radius, direction and weights."""

    vertices: np.ndarray  # [V, 3] millimeters
    faces: np.ndarray  # [T, 3]
    components: np.ndarray  # [B, V, 3] millimeters
    weights: np.ndarray  # [F, B] in [0, 1]
    centers: np.ndarray  # [B]

    def matrix(self, noise_mm: float = 0.0, seed: int = 1) -> AttributeMatrix:
        """Return the moving sheet; frame 0 is flat."""
        moving = self.vertices + np.tensordot(self.weights, self.components, 1)
        noise = np.random.default_rng(seed).normal(size=moving.shape) * noise_mm
        noise[0] = 0.0
        return in_memory({"xyz": (moving + noise).reshape(len(moving), -1).astype(np.float32)})


def sheet_with_bumps(size: int = 25, bumps: int = 5, frames: int = 40, radius: float = 22.0, seed: int = 0) -> Sheet:
    """Return a sheet of `size`² vertices, 100 mm wide, with bumps that are zero beyond `radius` millimeters."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0.0, 100.0, size)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    vertices = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    corner = np.arange(size * size).reshape(size, size)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    places = np.array([[20, 20], [80, 25], [50, 52], [22, 80], [78, 78], [50, 15], [15, 50], [85, 52], [50, 88]])[
        :bumps
    ]
    centers = np.array([np.linalg.norm(vertices[:, :2] - place, axis=1).argmin() for place in places])
    distance = np.linalg.norm(vertices[None] - vertices[centers][:, None], axis=-1)
    profile = np.where(distance < radius, 0.5 + 0.5 * np.cos(np.pi * distance / radius), 0.0)
    directions = rng.normal(size=(bumps, 3))
    directions *= 3.0 / np.linalg.norm(directions, axis=1, keepdims=True)
    components = profile[:, :, None] * directions[:, None]
    weights = rng.uniform(size=(frames, bumps)) * (rng.uniform(size=(frames, bumps)) < 0.4)
    weights[0] = 0.0
    weights[np.arange(1, bumps + 1), np.arange(bumps)] = 1.0
    return Sheet(vertices, faces, components, weights, centers)


def demo_level() -> tuple[Level, dict[str, np.ndarray]]:
    """Return the outer surface of the demo head and its face units on it, [V, 3] millimeters."""
    head = load_head(head_path())
    quads = head.quads[head.outer]
    pruning = prune_unreferenced(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), len(head.neutral))
    vertices = head.neutral[pruning.kept]
    mask = nearest_vertices(vertices, nose_tip(vertices, pruning.faces), 0.57)
    level = Level(vertices, pruning.faces, identity_step(len(vertices)), mask)
    return level, {name: unit[pruning.kept] for name, unit in head.units.items()}


LOCAL_UNITS = (
    "jawOpen",
    "browOuterUpLeft",
    "browOuterUpRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "noseSneerRight",
    "mouthSmileLeft",
    "mouthSmileRight",
)


def planted_demo_head(frames: int = 40, noise_mm: float = 0.0):
    """Return a level and rows of the demo head moved by local face units of equal size, the units, the weights.

    cheekPuff and its like are not among them: a motion in two places is two local components.
    """
    level, units = demo_level()
    template = build_template(level.vertices, level.faces, 0)
    fields = np.stack([8.0 * units[name] / np.linalg.norm(units[name], axis=1).max() for name in LOCAL_UNITS])
    count = len(LOCAL_UNITS)
    rng = np.random.default_rng(3)
    W = rng.uniform(size=(frames, count)) * (rng.uniform(size=(frames, count)) < 0.4)
    W[0] = 0
    W[np.arange(1, count + 1), np.arange(count)] = 1.0
    rows = level.vertices + np.tensordot(W, fields, 1)
    noise = noise_mm * rng.normal(size=rows.shape)
    noise[0] = 0
    return template.levels["base"], in_memory({"xyz": (rows + noise).reshape(frames, -1).astype(np.float32)}), fields, W


def matched_correlations(found: np.ndarray, planted: np.ndarray) -> np.ndarray:
    """Return the correlations of planted components [B, ...] with their best partners among found ones [K, ...]."""
    a, b = found.reshape(len(found), -1), planted.reshape(len(planted), -1)
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    cosines = np.abs(b @ a.T)
    rows, columns = linear_sum_assignment(-cosines)
    return cosines[rows, columns]


def weights_of(components: Components, rows: np.ndarray) -> np.ndarray:
    """Return the weights [M, K] whose rows come closest to `rows` [M, D] in standardized units."""
    return np.linalg.lstsq(components.C.T.astype(np.float64), components.standardize(rows).T, rcond=None)[0].T


def pca_components(matrix: AttributeMatrix, found: Decomposition) -> Components:
    """Return what PCA found in a matrix in memory as a component file has it, without faces."""
    return found.components(
        faces=np.zeros((0, 3), np.int64),
        face_mask=np.ones(matrix.sources[0].shape[1] // 3, bool),
        frames=[str(row) for row in range(len(matrix.rows))],
    )
