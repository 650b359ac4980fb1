"""A subject on disk: frames of an ellipsoid whose left and right side bulge and brighten."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from splatrig.blendshapes.arkit import NAMES
from splatrig.components.component_file import Components, Origin
from splatrig.components.fields import Columns
from splatrig.components.sldc import SldcOptions, SolverOptions
from splatrig.components.sldc_cpu import AdmmOptions
from splatrig.config.choices import LearnedFamily
from splatrig.config.support_maps import GaussMap
from splatrig.dataset.cameras import write_cameras
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.learned.mesh_components import MeshRows, carried_by_meshes, mesh_pca, mesh_sldc, read_meshes
from splatrig.learned.plan import LearningOptions
from splatrig.learned.stage import Subject
from splatrig.mesh.obj import write_obj
from splatrig.mesh.template import write_template
from support import tiny

WEIGHTS = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.2], [0.3, 0.8], [0.7, 0.6]])
"""Left and right bulge of each frame; the first is the neutral, the last is held out."""
POSE = np.array([[1.0, 0, 0, 3.0], [0, 1.0, 0, -2.0], [0, 0, 1.0, 5.0]])


SUPPORT = GaussMap(sigma=0.2)


def sldc_options(lambda_: float = 0.5) -> SldcOptions:
    """Return options of SLDC for the small mesh."""
    solver = SolverOptions(max_iterations=30, admm=AdmmOptions(rho=10.0, tolerance=1e-3))
    return SldcOptions(2, lambda_, solver=solver)


def options(family: LearnedFamily = "global", **changes: object) -> LearningOptions:
    """Return settings of a short learned fit."""
    values = {
        "attributes": ("xyz", "f_dc", "rotation", "scale"),
        "level": "subd1",
        "steps": 60,
        "photographs_per_step": 2,
        "back_faces": None,
        "dropout": 0.0,
        "memory_gib": 1.0,
    }
    return LearningOptions(family, **(values | changes))


def sides_of(vertices: np.ndarray) -> np.ndarray:  # [2, V]
    """Return how much each vertex belongs to the left and to the right side."""
    return np.clip(np.stack([vertices[:, 0], -vertices[:, 0]]) / 60.0 - 0.3, 0, 1)


def bulged(vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the vertices with the left and the right side pushed outwards by up to 12 mm."""
    direction = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices + 12.0 * (weights @ sides_of(vertices))[:, None] * direction


def write_subject(root: Path, beyond: Gaussians | None = None) -> Subject:
    """Write dataset, template, neutral and frames.csv below `root`, and open them.

    Photographs also show `beyond`, which no mesh and no fit knows, and which stands still.
    """
    template, cameras = tiny.template(), tiny.cameras()
    base, fine = template.levels["base"], template.levels[template.finest]
    up = template.between("base", template.finest)
    neutral = tiny.truth(fine.vertices, fine.faces)
    rows = []
    for row, weights in enumerate(WEIGHTS):
        expression, frame = f"E{row // 2:03d}", f"{3 * row:06d}"
        folder = root / "dataset" / expression / frame
        folder.mkdir(parents=True)
        vertices = bulged(base.vertices, weights)
        write_obj(folder / f"{frame}.obj", vertices, base.faces)
        np.savetxt(folder / f"{frame}_transform.txt", POSE)
        flush = 0.8 * (weights @ sides_of(fine.vertices))[:, None, None]
        colors = (neutral.sh0 + flush).astype(np.float32)
        offsets = (up @ vertices - fine.vertices).astype(np.float32)
        moved = Gaussians(**(dict(neutral.items()) | {"means": neutral.means + offsets, "sh0": colors}))
        if beyond is not None:
            both = zip(moved.items(), beyond.items(), strict=True)
            moved = Gaussians(**{name: np.concatenate([array, extra]) for (name, array), (_, extra) in both})
        pictures = tiny.photographed(moved, cameras.in_head_space(POSE))
        for name, picture in zip(cameras.names, pictures, strict=True):
            Image.fromarray(picture).save(folder / f"{name}.png")
        role = "held_out" if row == len(WEIGHTS) - 1 else "train"
        rows.append((expression, frame, role, len(cameras), "", "", row == 0))
    write_cameras(root / "dataset" / "cameras.json", cameras)
    write_template(root / "template.h5", template)
    metrics = pd.DataFrame(columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    write_fitted_frames(root / "neutral.h5", FittedFrames("E000", ("000000",), (neutral,), metrics, {}))
    columns = ["expression", "frame", "role", "image_count", "mesh", "pose", "neutral"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "frames.csv", index=False)
    return Subject.open(**files(root))


def files(root: Path) -> dict[str, Path]:
    """Return what a subject is read from."""
    return {
        "cameras": root / "dataset" / "cameras.json",
        "template": root / "template.h5",
        "neutral": root / "neutral.h5",
        "frames": root / "frames.csv",
    }


def mesh_rows(subject: Subject) -> MeshRows:
    """Return the rows that the tracked meshes of the training frames give."""
    names = subject.names("train")
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    return carried_by_meshes(subject.neutral, meshes, subject.template, names, subject.neutral_row(names))


BULGES = ("mouthSmileLeft", "mouthSmileRight")
"""The blendshapes that push the left and the right side out: those that the capture tells."""


def blendshapes(subject: Subject) -> Components:
    """Return ARKit's blendshapes of the small head, as exact as they can be made by hand.

    Those of `BULGES` made its frames, none of which goes farther than half of them. `cheekPuff`, which nothing tells,
    pushes the front out, `eyeLook…` push the top; all others do nothing.
    """
    level, frames = subject.template.base, tuple(subject.names("train"))
    vertices, count = level.vertices, len(level.vertices)
    out = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    shapes = np.zeros((len(NAMES), count, 3))
    shapes[[NAMES.index(name) for name in BULGES]] = 24.0 * sides_of(vertices)[..., None] * out
    shapes[NAMES.index("cheekPuff")] = 5.0 * (vertices[:, 2:] > 50.0) * out
    for name in (name for name in NAMES if name.startswith("eyeLook")):
        shapes[NAMES.index(name)] = 2.0 * (vertices[:, 1:2] > 60.0) * out
    W = np.zeros((len(frames), len(NAMES)), np.float32)
    W[:, [NAMES.index(name) for name in BULGES]] = 0.5 * WEIGHTS[: len(frames)]
    columns, neutral = Columns(("xyz", "rotation"), count), subject.neutral.first(count)
    return Components(
        family="blendshapes",
        W=W,
        C=columns.by_column(np.concatenate([shapes, np.zeros((len(NAMES), count, 4))], axis=2)).astype(np.float32),
        mean=columns.row_of(neutral),
        std=np.ones(len(columns), np.float32),
        offset=None,
        columns=columns,
        faces=level.faces,
        face_mask=level.mask,
        frames=frames,
        names=NAMES,
        limits=(0.0, 1.0),
        told=np.isin(NAMES, BULGES),
        origin=Origin(source="tracked meshes"),
    )


def starts(subject: Subject) -> dict[str, Components]:
    """Return by family the components of the tracked meshes that its rig starts from: two, or 52 blendshapes."""
    rows, level = mesh_rows(subject), subject.template.base
    return {
        "arkit": blendshapes(subject),
        "global": mesh_pca(rows, 2, level),
        "local": mesh_sldc(rows, sldc_options(), SUPPORT, level),
    }
