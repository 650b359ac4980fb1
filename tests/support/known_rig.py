"""A rig that is known, photographed: a ball of Gaussians that three components move and color."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Frame
from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.rates import Rates
from splatrig.fitting.schedule import Schedule
from splatrig.fitting.trainable_rig import BasisStart, RigStart, TrainableRig
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.learned.fit import Surroundings
from splatrig.learned.plan import LearnedPlan
from splatrig.rasterize import Views, activate, rasterize

FIELDS = ("means", "sh0", "quats", "log_scales")
RATES = Rates(means=0.05, quats=0.004, log_scales=0.01, logit_opacities=0.02, sh0=0.01, shN=0.0005)
SIZE = 48
"""Pixels of a side."""
HELD_OUT = 3
"""The camera that measures and never trains."""
RENDER = RenderOptions(backdrop="black", lambda_dssim=0.2, sh_degree=3, rasterizer="numba")


@dataclass(frozen=True)
class Planted:
    """The truth and where its photographs are."""

    base: Gaussians
    weights: NDArray[np.float32]  # [F, K]
    deltas: dict[str, NDArray[np.float32]]  # field to [K, N, numbers]
    support: NDArray[np.bool_]  # [K, N]
    frames: list[Frame]

    def start(self, *, local: bool = False) -> RigStart:
        """Return the true rig itself."""
        basis = BasisStart(FIELDS, self.deltas, self.support if local else None)
        return RigStart(self.base, self.weights, basis, neutral_row=0)


def ball(generator: np.random.Generator, count: int) -> Gaussians:
    """Return `count` colored discs on a ball of 60 mm radius."""
    directions = generator.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    quats = generator.standard_normal((count, 4))
    return Gaussians(
        means=(60 * directions).astype(np.float32),
        quats=(quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        log_scales=np.log(generator.uniform(4, 8, (count, 3))).astype(np.float32),
        logit_opacities=generator.uniform(0, 3, count).astype(np.float32),
        sh0=generator.uniform(-1, 1, (count, 1, 3)).astype(np.float32),
        shN=(0.05 * generator.standard_normal((count, 15, 3))).astype(np.float32),
    )


def cameras_around(count: int = 8) -> Cameras:
    """Return cameras on an arc in front of the ball, 400 mm away."""
    viewmats = []
    for angle in np.linspace(-0.8, 0.8, count):
        pose = np.eye(4)
        pose[:3, :3] = [
            [np.cos(angle), 0, np.sin(angle)],
            [0, -1, 0],
            [np.sin(angle), 0, -np.cos(angle)],
        ]
        pose[2, 3] = 400
        viewmats.append(pose)
    K = np.array([[110.0, 0, SIZE / 2 + 1], [0, 110.0, SIZE / 2 - 2], [0, 0, 1]])
    names = tuple(f"4000{index:02d}" for index in range(count))
    held_out = np.arange(count) == HELD_OUT
    return Cameras(names, np.array(viewmats), np.tile(K, (count, 1, 1)), SIZE, SIZE, held_out)


def plant(folder: Path, *, seed: int = 0, frames: int = 10, count: int = 250) -> Planted:
    """Write the photographs of a random rig of three local components below `folder` and return the truth."""
    generator = np.random.default_rng(seed)
    base = ball(generator, count)
    axis = base.means[:, 0]
    edges = np.quantile(axis, [1 / 3, 2 / 3])
    support = np.stack([axis < edges[0], (axis >= edges[0]) & (axis < edges[1]), axis >= edges[1]])
    sizes = {"means": 5.0, "sh0": 0.3, "quats": 0.1, "log_scales": 0.1}
    deltas = {}
    for name, size in sizes.items():
        width = getattr(base, name).reshape(count, -1).shape[1]
        common = generator.standard_normal((3, 1, width)) * (name == "means")
        noise = generator.standard_normal((3, count, width)) * (0.3 if name == "means" else 1.0)
        deltas[name] = (size * (common + noise) * support[:, :, None]).astype(np.float32)
    weights = generator.uniform(0, 1, (frames, 3)).astype(np.float32)
    weights[0] = 0
    weights[np.arange(1, 4), np.arange(3)] = 1
    views = [
        Frame(f"E{row // 2:03d}", f"{row:06d}", folder / f"E{row // 2:03d}" / f"{row:06d}", cameras_around())
        for row in range(frames)
    ]
    planted = Planted(base, weights, deltas, support, views)
    rig = TrainableRig(planted.start(), RATES)
    for row, view in enumerate(views):
        view.folder.mkdir(parents=True)
        photograph(view, rig.gaussians(weights[row]))
    return planted


def photograph(frame: Frame, gaussians: Gaussians) -> None:
    """Write what the cameras of a frame see of Gaussians."""
    for camera, picture in enumerate(photographs_of(gaussians, frame.cameras)):
        Image.fromarray(picture).save(frame.photograph(camera))


def photographs_of(gaussians: Gaussians, cameras: Cameras) -> NDArray[np.uint8]:  # [C, H, W, 4]
    """Render Gaussians over black as opaque pictures."""
    images, _ = rasterize(activate(on_device(gaussians)), Views.of(cameras))
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=-1)


def disturbed(planted: Planted, seed: int, *, local: bool) -> RigStart:
    """Return a poor start: a base that is off, centers' components with noise, nothing known of appearance."""
    generator = np.random.default_rng([seed, 7])
    base = {
        "means": planted.base.means + generator.normal(0, 0.5, planted.base.means.shape),
        "sh0": planted.base.sh0 + generator.normal(0, 0.15, planted.base.sh0.shape),
        "shN": np.zeros_like(planted.base.shN),
    }
    base = {name: array.astype(np.float32) for name, array in base.items()}
    deltas = {name: np.zeros_like(array) for name, array in planted.deltas.items()}
    noise = generator.normal(0, 1.0, planted.deltas["means"].shape)
    deltas["means"] = ((planted.deltas["means"] + noise) * planted.support[:, :, None]).astype(np.float32)
    weights = planted.weights + generator.normal(0, 0.15, planted.weights.shape).astype(np.float32)
    weights[0] = 0
    weights = weights.clip(0, 1) if local else weights
    basis = BasisStart(FIELDS, deltas, planted.support if local else None)
    return RigStart(Gaussians(**(dict(planted.base.items()) | base)), weights.astype(np.float32), basis, 0)


def plan(steps: int = 600, *, local: bool = False, **changes: object) -> LearnedPlan:
    """Return a plan for the planted rig."""
    values = {
        "steps": steps,
        "rates": RATES,
        "base_rates": RATES,
        "bounded": local,
        "occlusion": Occlusion(None, 0.0),
        "check_every": 100,
        "render": RENDER,
        "size_weight": 0.0,
    }
    return LearnedPlan(**(values | changes))


def training_pairs(planted: Planted) -> list[Pair]:
    """Return every frame with every camera that trains."""
    return [
        (frame, camera)
        for frame, view in enumerate(planted.frames)
        for camera in range(len(view.cameras))
        if camera != HELD_OUT
    ]


def validation_pairs(planted: Planted) -> list[Pair]:
    """Return every frame with the camera that never trains."""
    return [(frame, HELD_OUT) for frame in range(len(planted.frames))]


def surroundings(planted: Planted) -> Surroundings:
    """Return what a fit of the planted rig reads beside photographs."""
    outward = planted.base.means / np.linalg.norm(planted.base.means, axis=1, keepdims=True)
    edges = np.full(len(planted.base), 8.0)
    return Surroundings(edges, outward, tuple(validation_pairs(planted)))


def schedule(planted: Planted, per_step: int = 2) -> Schedule:
    """Return the order of the planted rig's training pairs."""
    return Schedule(training_pairs(planted), per_step, seed=3)


def misplaced(planted: Planted, size: float = 3.0, seed: int = 0) -> tuple[Planted, NDArray[np.float64]]:  # [F, 3, 4]
    """Return the planted rig with heads that tracking has elsewhere, and the motions that put them back.

    `size` is that of the shift and of the rotation on the ball, in millimeters; the neutral's pose is right.
    """
    generator = np.random.default_rng([seed, 11])
    motions, frames = [], []
    for row, frame in enumerate(planted.frames):
        turn, shift = generator.standard_normal((2, 3))
        motion = np.eye(4)
        if row:
            motion[:3, :3] = Rotation.from_rotvec(size / 60.0 * turn / np.linalg.norm(turn)).as_matrix()
            motion[:3, 3] = size * shift / np.linalg.norm(shift)
        motions.append(motion[:3])
        wrong = frame.cameras.in_head_space(np.linalg.inv(motion)[:3])
        frames.append(replace(frame, cameras=wrong))
    return replace(planted, frames=frames), np.stack(motions)


def photographs(planted: Planted) -> Photographs:
    """Return the photographs of the planted rig."""
    return Photographs(planted.frames, workers=2)
