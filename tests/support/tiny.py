"""A tiny capture with a known answer: colored Gaussians on an ellipsoid, photographed by the rasterizer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.decoding import silhouette_box
from splatrig.dataset.photographs import Photograph, View
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.initialize import InitialShape, gaussians_on_mesh
from splatrig.fitting.rates import Rates
from splatrig.fitting.recipe import Plan
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.mesh.normals import tangent_frames
from splatrig.mesh.obj import write_obj
from splatrig.mesh.template import Template, build_template
from splatrig.mesh.topology import mean_edge_lengths
from splatrig.rasterize import Views, activate, rasterize

WIDTH, HEIGHT = 40, 48
HEAD_SHIFT = (0.0, 2.0, 3.0)
"""Where the head of `write_dataset` is in the world."""


RENDER = RenderOptions("black", lambda_dssim=0.4, sh_degree=3, rasterizer="auto")
INITIAL = InitialShape(tangent_scale=0.5, normal_scale=0.15, opacity=0.9)
RATES = Rates(means=0.0041, quats=0.005, log_scales=0.01, logit_opacities=0.05, sh0=0.02, shN=0.001)


def plan(steps: int = 60, **changes: object) -> Plan:
    """Return a short plan for the neutral."""
    values = {"render": RENDER, "rates": RATES, "drift_weight": 0.01, "size_weight": 0.01}
    return Plan(steps, **(values | changes))


def ellipsoid() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A closed mesh of 42 vertices, about 160 mm high, that faces +z."""
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=1)
    vertices = np.asarray(sphere.vertices) * [60.0, 80.0, 70.0]
    return vertices, np.asarray(sphere.faces, dtype=np.int64)


def template() -> Template:
    """Two levels: 42 and 162 vertices."""
    vertices, faces = ellipsoid()
    return build_template(vertices, faces, 1, center_vertex=0, fraction=0.5)


def cameras(count: int = 5) -> Cameras:
    """Cameras on an arc in front of the head, 1 m away; the first is held out."""
    viewmats = []
    for angle in np.linspace(-0.7, 0.7, count):
        center = 1000.0 * np.array([np.sin(angle), 0.1, np.cos(angle)])
        forward = -center / np.linalg.norm(center)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        viewmats.append(np.block([[rotation, -(rotation @ center)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]]))
    K = np.array([[230.0, 0.0, 19.0], [0.0, 231.0, 25.0], [0.0, 0.0, 1.0]])
    return Cameras(
        names=tuple(f"4000{index:02d}" for index in range(count)),
        viewmats=np.array(viewmats),
        Ks=np.tile(K, (count, 1, 1)),
        width=WIDTH,
        height=HEIGHT,
        held_out=np.arange(count) == 0,
    )


def truth(vertices: NDArray[np.float64], faces: NDArray[np.int64], seed: int = 0) -> Gaussians:
    """Gaussians in smooth random colors on a mesh."""
    generator = np.random.default_rng(seed)
    waves = np.sin(vertices @ generator.normal(scale=0.05, size=(3, 3)) + generator.uniform(0, 6, 3))
    return gaussians_on_mesh(
        vertices,
        tangent_frames(vertices, faces),
        mean_edge_lengths(vertices, faces),
        (0.5 + 0.35 * waves).astype(np.float32),
        InitialShape(tangent_scale=0.6, normal_scale=0.2, opacity=0.95),
    )


@torch.no_grad()
def photographed(gaussians: Gaussians, rig: Cameras) -> NDArray[np.uint8]:  # [C, H, W, 4]
    """Photograph Gaussians on black; alpha is their coverage."""
    images, alphas = rasterize(activate(on_device(gaussians)), Views.of(rig))
    coverage = alphas.clamp_min(1e-6)
    rgba = torch.cat([(images / coverage).clamp(0, 1), alphas.clamp(0, 1)], dim=-1)
    return (rgba * 255).round().to(torch.uint8).numpy()


def frame_data(offset: NDArray[np.float64] | float = 0.0, name: str = "000100", seed: int = 0) -> FrameData:
    """One frame of the tiny capture, its mesh moved by `offset` [V, 3]."""
    shape = template()
    fine = shape.levels[shape.finest]
    vertices = fine.vertices + offset
    rig = cameras()
    images = photographed(truth(vertices, fine.faces, seed), rig)
    return FrameData("E001_Tiny", name, Path(), rig, vertices, views(images, rig))


def views(
    images: NDArray[np.uint8],  # [C, H, W, 4]
    rig: Cameras,
    plates: torch.Tensor | None = None,  # [C, H, W, 3] uint8
) -> tuple[View, ...]:
    """Whole photographs as a fit takes them."""
    kept = [
        Photograph.of(image, silhouette_box(image[..., 3]), rig, camera, cropped=False)
        for camera, image in enumerate(images)
    ]
    behind = [None] * len(kept) if plates is None else plates
    return tuple(photo.view(torch.device("cpu"), plate) for photo, plate in zip(kept, behind, strict=True))


def edge_lengths() -> NDArray[np.float64]:  # [V]
    """Mean edge length at each vertex of the neutral of the tiny capture."""
    fine = template().levels["subd1"]
    return mean_edge_lengths(fine.vertices, fine.faces)


def write_dataset(folder: Path, frames: dict[str, float]) -> Dataset:
    """Write frames as the restructuring leaves them; each mesh is moved by so many millimeters in every direction."""
    shape, rig = template(), cameras()
    pose = np.column_stack([np.eye(3), HEAD_SHIFT])
    for frame, offset in frames.items():
        target = folder / "E001_Tiny" / frame
        target.mkdir(parents=True)
        base = shape.levels["base"]
        write_obj(target / f"{frame}.obj", base.vertices + offset, base.faces)
        np.savetxt(target / f"{frame}_transform.txt", pose)
        for name, view in zip(rig.names, frame_data(offset).views, strict=True):
            Image.fromarray(view.image.numpy()).save(target / f"{name}.png")
    head_to_world = np.vstack([pose, [0, 0, 0, 1]])
    return Dataset(folder, replace(rig, viewmats=rig.viewmats @ np.linalg.inv(head_to_world)))
