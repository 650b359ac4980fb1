"""Synthetic heads, of the exact size of Multiface 6795937 or small ones, for benchmarks/components/components.py."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from splatrig.components.attributes import FORMAT
from splatrig.components.fields import ATTRIBUTES
from splatrig.mesh.template import Template, build_template


@dataclass(frozen=True)
class Size:
    """How large the synthetic data are: a tube of rings × spokes vertices, some of its triangles split in three."""

    rings: int
    spokes: int
    splits: int
    frames: int
    bumps: int


FULL = Size(rings=134, spokes=41, splits=15, frames=330, bumps=60)
"""5,509 vertices, 10,936 faces, 16,445 edges, as in Multiface; 87,652 vertices at the finest level."""
SMALLEST = Size(rings=9, spokes=8, splits=2, frames=15, bumps=4)
"""74 / 272 / 1,040 vertices."""

PER_EXPRESSION = 5


def head_tube(size: Size = FULL) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices [V, 3] (millimeters) and faces [T, 3] of an ellipsoid open at both ends."""
    latitude = np.linspace(np.radians(4), np.radians(176), size.rings)
    longitude = np.arange(size.spokes) * 2 * np.pi / size.spokes
    ring, spoke = np.meshgrid(latitude, longitude, indexing="ij")
    points = [75 * np.sin(ring) * np.sin(spoke), 120 * np.cos(ring), 95 * np.sin(ring) * np.cos(spoke)]
    vertices = np.stack(points, axis=-1).reshape(-1, 3)
    index = np.arange(size.rings * size.spokes).reshape(size.rings, size.spokes)
    a, b = index[:-1], index[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    split = np.arange(size.splits) * (len(faces) // size.splits)
    centers = len(vertices) + np.arange(size.splits)
    corners = faces[split]
    vertices = np.concatenate([vertices, vertices[corners].mean(axis=1)])
    parts = [np.stack([corners[:, i], corners[:, (i + 1) % 3], centers], axis=1) for i in range(3)]
    return vertices, np.concatenate([np.delete(faces, split, axis=0), *parts])


def template(size: Size = FULL) -> Template:
    """Return the template of the tube with three levels; 5,509 / 21,954 / 87,652 vertices at full size."""
    return build_template(*head_tube(size), 2, center_vertex=0, fraction=0.57)


def weights(bumps: int, frames: int, seed: int = 0) -> np.ndarray:
    """Return weights [F, B]: expressions of a few bumps each, ramping from onset to peak; frame 0 is neutral."""
    rng = np.random.default_rng(seed)
    expressions = -(-frames // PER_EXPRESSION)
    peaks = rng.uniform(0.4, 1.0, size=(expressions, bumps)) * (rng.uniform(size=(expressions, bumps)) < 5 / bumps)
    peaks[0] = 0
    ramp = np.linspace(0.2, 1.0, PER_EXPRESSION)
    return (peaks[:, None] * ramp[:, None]).reshape(-1, bumps)[:frames]


def write_store(path: Path, mesh: Template, level: str, size: Size, attributes: list[str], seed: int = 0) -> None:
    """Write an attribute store of moving bumps (8 mm and less, 15 to 35 mm wide) with noise, Gaussian by Gaussian."""
    rng = np.random.default_rng(seed)
    frames, bumps = size.frames, size.bumps
    vertices = mesh.levels[level].vertices
    base = mesh.levels["base"].vertices  # so that every level moves alike
    centers = base[rng.choice(len(base), bumps, replace=False)]
    radii = rng.uniform(15, 35, size=bumps)
    W = weights(bumps, frames, seed)
    total = sum(ATTRIBUTES[name].size for name in attributes)
    directions = rng.normal(size=(bumps, total))
    directions *= (8 / (1 + np.arange(bumps)) ** 0.5 / np.linalg.norm(directions, axis=1))[:, None]
    with FORMAT.writing(path) as file:
        file.attrs.update({"subject": "benchmark", "level": level})
        file.attrs.update({"neutral_row": 0, "content_sha256": "0" * 64})
        file["faces"], file["face_mask"] = mesh.levels[level].faces, mesh.levels[level].mask
        names = [f"E{i // PER_EXPRESSION:03d}/{3 * (i % PER_EXPRESSION):06d}" for i in range(frames)]
        file.create_dataset("frames", data=names, dtype=h5py.string_dtype())
        file.create_dataset("role", data=["train"] * frames, dtype=h5py.string_dtype())
        first = 0
        for name in attributes:
            width, height = ATTRIBUTES[name].size, {"xyz": 1.0, "f_dc": 0.05, "rotation": 0.01, "scale": 0.05}[name]
            data = file.create_dataset(name, shape=(frames, len(vertices) * width), dtype=np.float32)
            for start in range(0, len(vertices), 4096):
                part = vertices[start : start + 4096]
                distance = np.linalg.norm(part[:, None] - centers, axis=2)
                profile = np.exp(-0.5 * (distance / radii) ** 2) * (distance < 3 * radii)
                field = profile.T[:, :, None] * directions[:, None, first : first + width]
                moved = height * np.tensordot(W, field, 1)
                moved += 0.02 * height * rng.normal(size=moved.shape) * (np.arange(frames) > 0)[:, None, None]
                rest = part if name == "xyz" else rng.normal(size=(len(part), width))
                data[:, start * width : (start + len(part)) * width] = (rest + moved).reshape(frames, -1)
            first += width
