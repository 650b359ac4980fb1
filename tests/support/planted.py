"""A synthetic head whose components are known: an icosphere, planted bumps, and everything built by hand from them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import trimesh
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.dataset.cameras import Cameras
from splatrig.evaluation.attribute_rows import AttributeRows, reach_of
from splatrig.evaluation.method import MethodEvaluation
from splatrig.gaussians.gaussians import Gaussians

RADIUS_MM = 90.0
ALL_ATTRIBUTES = ("xyz", "f_dc", "rotation", "scale")


@dataclass(frozen=True)
class Head:
    """A sphere of Gaussians that looks along +z."""

    vertices: NDArray  # [N, 3]
    faces: NDArray  # [T, 3]
    neutral: Gaussians


def head(subdivisions: int = 2, seed: int = 0) -> Head:
    generator = np.random.default_rng(seed)
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=RADIUS_MM)
    vertices = np.asarray(sphere.vertices)
    count = len(vertices)
    spacing = RADIUS_MM * np.sqrt(4 * np.pi / count)
    quats = np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)) + 0.1 * generator.normal(size=(count, 4))
    neutral = Gaussians(
        means=vertices.astype(np.float32),
        quats=(quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        log_scales=np.full((count, 3), np.log(spacing / 2), dtype=np.float32),
        logit_opacities=np.full(count, 3.0, dtype=np.float32),
        sh0=generator.normal(size=(count, 1, 3)).astype(np.float32),
        shN=(0.02 * generator.normal(size=(count, 15, 3))).astype(np.float32),
    )
    return Head(vertices, np.asarray(sphere.faces, dtype=np.int64), neutral)


def bumps(vertices: NDArray, count: int, width_mm: float = 25.0) -> NDArray[np.float32]:  # [K, N, 3]
    """Outward bumps of 10 mm around spread-out vertices, exactly zero beyond three widths."""
    centers = vertices[np.linspace(0, len(vertices) - 1, count).astype(int)]
    distance = np.linalg.norm(vertices[None] - centers[:, None], axis=2)
    height = 10.0 * np.exp(-0.5 * (distance / width_mm) ** 2) * (distance < 3 * width_mm)
    return (height[..., None] * (vertices / RADIUS_MM)).astype(np.float32)


def components(
    made: Head,
    *,
    family: str = "sldc",
    attributes: tuple[str, ...] = ("xyz",),
    count: int = 3,
    frames: int = 12,
    seed: int = 1,
) -> Components:
    """Planted components around the neutral (frame 0): weights in [0, 1] for sldc, of both signs otherwise."""
    generator = np.random.default_rng(seed)
    columns = Columns(attributes, len(made.neutral))
    rest = columns.row_of(made.neutral)
    C = np.zeros((count, len(rest)), dtype=np.float32)
    std = np.ones(len(rest), dtype=np.float32)
    for name, first, end in columns.spans:
        if name == "xyz":
            std[first:end] = 2.0
            C[:, first:end] = bumps(made.vertices, count).reshape(count, -1) / 2.0
        else:
            std[first:end] = 0.1
            C[:, first:end] = 0.2 * generator.normal(size=(count, end - first))
    W = generator.random((frames, count)).astype(np.float32)
    if family != "sldc":
        W = 2 * W - 1
    W[0] = 0.0
    mean = rest + std * (W @ C).mean(axis=0)
    return Components(
        family=family,
        W=W,
        C=C,
        mean=mean.astype(np.float32),
        std=std,
        offset=((rest - mean) / std).astype(np.float32),
        columns=columns,
        faces=made.faces,
        face_mask=made.vertices[:, 2] > 0,
        frames=tuple(f"E{frame // 3:03d}/{frame:06d}" for frame in range(frames)),
        limits=(0.0, 1.0) if family == "sldc" else None,
        base=made.neutral if family == "learned" else None,
    )


def with_free(parts: Components, base: Gaussians, count: int, seed: int = 5) -> Components:
    """A learned rig of planted components with free Gaussians, which the components move as they like."""
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, len(base), count)
    grown = Gaussians(**{name: np.concatenate([array, array[chosen]]) for name, array in base.items()})
    columns = Columns(parts.columns.names, len(grown))

    def longer(row: NDArray, extra: NDArray) -> NDArray[np.float32]:
        own, added = parts.columns.by_attribute(row), Columns(columns.names, count).by_attribute(extra)
        joined = [np.concatenate([own[name], added[name]], axis=-2) for name in columns.names]
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in joined], axis=-1).astype(np.float32)

    width = columns.width * count
    extra_mean = generator.normal(size=width)
    per_gaussian = parts.columns.by_gaussian(parts.std)[0]
    extra_std = Columns(columns.names, count).by_column(np.tile(per_gaussian, (count, 1)))
    offset = None if parts.offset is None else longer(parts.offset, generator.normal(size=width))
    return replace(
        parts,
        family="learned",
        C=longer(parts.C, generator.normal(size=(len(parts), width))),
        mean=longer(parts.mean, extra_mean),
        std=longer(parts.std, extra_std),
        offset=offset,
        columns=columns,
        base=grown,
    )


EYE_NAMES = ("eyeLookInLeft", "eyeLookUpLeft")


def with_eyes(parts: Components, seed: int = 6) -> Components:
    """A rig with free Gaussians and two components more, which move its free ones alone."""
    generator = np.random.default_rng(seed)
    added = generator.normal(size=(len(EYE_NAMES), len(parts.columns))) * ~parts.columns_on_mesh
    looks = generator.uniform(0.1, 0.9, (len(parts.W), len(EYE_NAMES)))
    looks[0] = 0.0
    names = parts.names or tuple(f"LEARNED {k + 1:02d}" for k in range(len(parts)))
    return replace(
        parts,
        C=np.concatenate([parts.C, added]).astype(np.float32),
        W=np.concatenate([parts.W, looks], axis=1).astype(np.float32),
        names=names + EYE_NAMES,
        eyes=np.arange(len(parts) + len(EYE_NAMES)) >= len(parts),
    )


BLENDSHAPES = ("jawOpen", "mouthPucker", "cheekPuff", "eyeLookUpLeft")


def blendshapes(parts: Components) -> Components:
    """A rig of planted components of a learned family as blendshapes: the third is not told, the last turns an eye."""
    assert len(parts) == len(BLENDSHAPES)
    told = np.arange(len(parts)) != 2
    W = 0.6 * np.abs(parts.W) * told
    turns = np.arange(len(parts)) == 3
    return replace(parts, W=W.astype(np.float32), names=BLENDSHAPES, limits=(0.0, 1.0), told=told, eyes=turns)


def rows(planted: Components, X: NDArray | None = None, held_out: int = 0) -> AttributeRows:
    """The frames that the components make, or `X`, the last `held_out` of them held out."""
    matrix = planted.rows() if X is None else X
    train = np.ones(len(matrix), dtype=bool)
    if held_out:
        train[-held_out:] = False
    matrix = matrix.astype(np.float32)
    centers = slice(0, 3 * len(planted.face_mask))
    return AttributeRows(matrix, planted.frames, train, 0, reach_of(matrix[:, centers], 0))


def evaluate_method(
    method: str, level: str, components: Components, data: AttributeRows, ks: Iterable[int], seed: int
) -> pd.DataFrame:
    """Everything that the long table says of one component file on the rows `data`, without pictures."""
    return MethodEvaluation(method, level, components, data, ks, seed).table()


def cameras(count: int = 3, width: int = 40, height: int = 60) -> Cameras:
    """Cameras around the head at 600 mm, the first held out and in front of the face; off-center principal points."""
    viewmats = []
    for angle in np.linspace(0.0, 1.0, count):
        z = np.array([np.sin(angle), 0.0, np.cos(angle)])
        rotation = np.stack([np.cross([0.0, -1.0, 0.0], -z), [0.0, -1.0, 0.0], -z])
        viewmat = np.eye(4)
        viewmat[:3, :3] = rotation
        viewmat[:3, 3] = -rotation @ (600.0 * z)
        viewmats.append(viewmat)
    K = np.array([[110.0, 0.0, width / 2 + 1.5], [0.0, 110.0, height / 2 - 2.0], [0.0, 0.0, 1.0]])
    return Cameras(
        names=tuple(f"cam{index}" for index in range(count)),
        viewmats=np.stack(viewmats),
        Ks=np.tile(K, (count, 1, 1)),
        width=width,
        height=height,
        held_out=np.arange(count) == 0,
    )
