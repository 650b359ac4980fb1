"""A painted head: a restructured capture of any size that needs no retrieved head, rendered in seconds on a GPU.

A head-like surface moves through expressions. Its texture is procedural, from centimeters down to half a millimeter;
three lamps are fixed in the world. The tracked mesh is coarser than the surface and noisy, as tracked meshes are. All
follows from the seed.
"""

import math
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation
from torch import Tensor

from splatrig.capture.photographs import write_photograph
from splatrig.dataset.cameras import Cameras, write_cameras
from splatrig.dataset.frames import ChosenFrame, write_frames
from splatrig.dataset.pose import write_pose
from splatrig.io.files import atomic_path
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.obj import write_obj
from splatrig.mesh.silhouette import silhouette
from splatrig.mesh.template import Template, build_template, write_template
from support.painted_head_shading import photographed
from support.painted_head_texture import TEXELS, painted_texture

NEUTRAL = "E000_Neutral"
NOISE_LEVELS = 1.0
"""Standard deviation of the sensor's noise, of 255."""
SEED = 0
MESHES_WRITTEN = "  all but the photographs is written"


@dataclass(frozen=True)
class Size:
    """How large the capture is."""

    base_vertices: int
    """Of the tracked mesh, a closed one: V, 4V - 6, 16V - 30 vertices by level."""
    cameras: int
    width: int
    height: int
    expressions: int
    """Beside the neutral, which has one frame."""
    frames: int
    """Of each expression, from half to whole."""


FULL = Size(base_vertices=5478, cameras=38, width=1334, height=2048, expressions=5, frames=2)
"""87,618 vertices at the finest level, 11 frames, 418 photographs."""
HALF = replace(FULL, width=667, height=1024)
MEDIUM = Size(base_vertices=700, cameras=20, width=200, height=307, expressions=5, frames=5)
"""11,170 vertices, 26 frames, 520 photographs: what a CPU can fit in some minutes."""
SMALL = Size(base_vertices=60, cameras=6, width=40, height=61, expressions=2, frames=2)
"""930 vertices, 5 frames, 30 photographs: what every benchmark can fit in seconds."""

SIZES = {"full": FULL, "half": HALF, "medium": MEDIUM, "small": SMALL}


def head_directions(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return `count` evenly spread unit vectors [V, 3] and the outward faces [2V - 4, 3] of their hull."""
    rank = np.arange(count) + 0.5
    height = 1 - 2 * rank / count
    angle = rank * math.pi * (3 - math.sqrt(5))
    ring = np.sqrt(1 - height**2)
    directions = np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], axis=1)
    faces = ConvexHull(directions).simplices.astype(np.int64)
    a, b, c = directions[faces].transpose(1, 0, 2)
    inward = np.einsum("ti,ti->t", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    return directions, faces


def _bump(directions: NDArray[np.float64], center: tuple[float, float, float], width: float) -> NDArray[np.float64]:
    """Return a smooth bump [V] around a direction, 1 at its middle."""
    middle = np.array(center) / np.linalg.norm(center)
    return np.exp(-((1 - directions @ middle) / width**2))


def head_surface(directions: NDArray[np.float64], expression: int, weight: float) -> NDArray[np.float64]:  # [V, 3]
    """Return the surface over unit directions [V, 3] (y up, z ahead), millimeters, in an expression of some weight."""
    points = directions * [76.0, 112.0, 92.0]
    d = directions
    points = points + d * (18 * _bump(d, (0, -0.1, 1), 0.16) - 7 * _bump(d, (0.38, 0.2, 1), 0.14))[:, None]
    points = points + d * (-7 * _bump(d, (-0.38, 0.2, 1), 0.14) + 4 * _bump(d, (0, -0.5, 1), 0.15))[:, None]
    # skin relief that the coarse tracked mesh cannot follow, deeper in strong expressions
    waves = np.sin(d @ [55.0, 21.0, 13.0]) * np.sin(d @ [-17.0, 60.0, 9.0]) + 0.5 * np.sin(d @ [90.0, -70.0, 40.0])
    points = points + d * ((0.15 + 0.15 * weight) * waves)[:, None]
    moves = [
        [(0, -0.75, 1, 0.45, 0, -14, -3)],
        [(0.35, -0.4, 1, 0.25, 7, 5, -4), (-0.35, -0.4, 1, 0.25, -7, 5, -4)],
        [(0.3, 0.45, 1, 0.3, 0, 6, 1), (-0.3, 0.45, 1, 0.3, 0, 6, 1)],
        [(0, -0.45, 1, 0.22, 0, 0, 8), (0.3, -0.45, 1, 0.2, -5, 0, 2), (-0.3, -0.45, 1, 0.2, 5, 0, 2)],
        [(0.6, -0.4, 0.8, 0.35, 8, 0, 4), (-0.6, -0.4, 0.8, 0.35, -8, 0, 4)],
    ]
    for x, y, z, width, *shift in moves[(expression - 1) % len(moves)] if expression else []:
        points = points + weight * _bump(directions, (x, y, z), width)[:, None] * np.array(shift)
    return points


def capture_cameras(size: Size) -> Cameras:
    """Return cameras on the front of a sphere of 1 m, heads upright, principal points off center."""
    generator = np.random.default_rng([SEED, 1])
    order = generator.permutation(size.cameras)
    pitch = np.radians(35) * np.sin(2.4 * np.arange(size.cameras))
    yaw = np.radians(np.linspace(-100, 100, size.cameras))
    viewmats, Ks = [], []
    for turn, lift in zip(yaw[order], pitch[order], strict=True):
        center = 1000 * np.array([math.sin(turn) * math.cos(lift), math.sin(lift), math.cos(turn) * math.cos(lift)])
        forward = -center / 1000
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        viewmats.append(np.block([[rotation, -(rotation @ center)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]]))
        focal = 3.15 * size.height * generator.uniform(0.98, 1.02)
        middle = np.array([size.width, size.height]) * (0.5 + generator.uniform(-0.02, 0.02, 2))
        Ks.append([[focal, 0, middle[0]], [0, focal * 1.001, middle[1]], [0, 0, 1]])
    return Cameras(
        names=tuple(f"{400002 + index}" for index in range(size.cameras)),
        viewmats=np.array(viewmats),
        Ks=np.array(Ks),
        width=size.width,
        height=size.height,
        held_out=np.arange(size.cameras) % 8 == 0,
    )


@dataclass(frozen=True)
class Scene:
    """One frame of the head."""

    expression: str
    frame: str
    tracked: NDArray[np.float64]  # [V, 3] head space
    surface: NDArray[np.float64]  # [N, 3] head space
    normals: NDArray[np.float64]  # [N, 3] of the surface, head space
    head_to_world: NDArray[np.float64]  # [3, 4]


LAMPS = np.array([[0.5, 0.7, 0.5, 0.45], [-0.7, 0.3, 0.65, 0.35], [0.1, -0.5, 0.85, 0.15]])
"""Direction in the world and strength."""


def photograph(
    scene: Scene, camera: int, cameras: Cameras, template: Template, rest: NDArray[np.float64], texture: Tensor
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what a camera sees of a frame [H, W, 3], and the coverage of the tracked mesh [H, W].

    The device of `texture` shades.
    """
    fine = template.levels[template.finest].faces
    rotation, shift = scene.head_to_world[:, :3], scene.head_to_world[:, 3]
    points = scene.surface @ rotation.T + shift
    viewmat, K = cameras.viewmats[camera], cameras.Ks[camera]
    seen = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    screen = 2 * (seen[:, :2] / seen[:, 2:] * [K[0, 0], K[1, 1]] + K[:2, 2])
    normals = scene.normals @ rotation.T
    lamps = LAMPS.copy()
    lamps[:, :3] /= np.linalg.norm(lamps[:, :3], axis=1, keepdims=True)
    eye = -viewmat[:3, :3].T @ viewmat[:3, 3]
    surface = (fine, screen, 1 / seen[:, 2], points, normals, rest, eye, lamps)
    key = np.random.SeedSequence([SEED, camera, int(scene.frame)])
    pixels = photographed(
        surface, texture, (cameras.height, cameras.width), NOISE_LEVELS, int(key.generate_state(1)[0])
    )
    base = template.levels["base"].faces
    alpha = silhouette(scene.tracked @ rotation.T + shift, base, viewmat, K, cameras.width, cameras.height)
    return pixels, alpha


def scenes(
    size: Size, directions: NDArray[np.float64], fine_directions: NDArray[np.float64], fine: NDArray[np.int64]
) -> list[Scene]:
    """Return all frames: the neutral, then each expression from weak to strong; the head moves, tracking is noisy."""
    generator = np.random.default_rng([SEED, 2])
    result = []
    for expression in range(size.expressions + 1):
        name = f"E{expression:03d}_Moved" if expression else NEUTRAL
        for number in range(size.frames if expression else 1):
            weight = (number + 1) / size.frames if expression else 0.0
            noise = generator.normal(scale=0.1, size=directions.shape)
            surface = head_surface(fine_directions, expression, weight)
            turn = Rotation.from_rotvec(generator.normal(scale=0.02, size=3)).as_matrix()
            result.append(
                Scene(
                    expression=name,
                    frame=f"{1000 * expression + 10 * number + 10:06d}",
                    tracked=np.round(head_surface(directions, expression, weight) + noise, 6),
                    surface=surface,
                    normals=vertex_normals(surface, fine),
                    head_to_world=np.hstack([turn, generator.normal(scale=4.0, size=(3, 1))]),
                )
            )
    return result


def write_capture(folder: Path, size: Size, threads: int, device: str = "cpu") -> list[str]:
    """Write the capture below `folder`; return its expressions, the neutral first.

    Photographs come last, frame by frame, each moved into place when it is whole, so that another process can begin
    with the first frames. `device` is where they are shaded.
    """
    begin = time.perf_counter()
    directions, faces = head_directions(size.base_vertices)
    cameras = capture_cameras(size)
    spread = build_template(directions, faces, 2).levels["subd2"]
    fine_directions = spread.vertices / np.linalg.norm(spread.vertices, axis=1, keepdims=True)
    frames = scenes(size, directions, fine_directions, spread.faces)
    template = build_template(frames[0].tracked, faces, 2)
    write_template(folder / "template" / "template.h5", template)
    write_cameras(folder / "dataset" / "cameras.json", cameras)
    texture = painted_texture(threads, TEXELS if size.width >= HALF.width else 128 if size.width > SMALL.width else 16)
    for expression in dict.fromkeys(scene.expression for scene in frames):
        own = [scene for scene in frames if scene.expression == expression]
        write_frames(
            folder / "frames" / f"{expression}.csv",
            [
                ChosenFrame(
                    expression=expression,
                    frame=s.frame,
                    image_count=size.cameras,
                    mesh="",
                    pose="",
                    neutral=expression == NEUTRAL,
                )
                for s in own
            ],
        )
    for scene in frames:
        place = folder / "dataset" / scene.expression / scene.frame
        place.mkdir(parents=True, exist_ok=True)
        write_obj(place / f"{scene.frame}.obj", scene.tracked, faces)
        write_pose(place / f"{scene.frame}_transform.txt", scene.head_to_world)
    print(MESHES_WRITTEN, flush=True)

    paint = torch.as_tensor(texture).to(device)

    def write_one(scene: Scene, camera: int) -> None:
        path = folder / "dataset" / scene.expression / scene.frame / f"{cameras.names[camera]}.png"
        whole = photograph(scene, camera, cameras, template, fine_directions, paint)
        with atomic_path(path) as temporary:
            write_photograph(temporary, *whole)

    with ThreadPoolExecutor(threads) as pool:  # the kernels, zlib and large array operations let other threads run
        tasks = [pool.submit(write_one, scene, camera) for scene in frames for camera in range(size.cameras)]
        for number, task in enumerate(as_completed(tasks), start=1):
            task.result()
            if number % 100 == 0 or number == len(tasks):
                print(f"  {number} of {len(tasks)} photographs, {time.perf_counter() - begin:.1f} s", flush=True)
    return list(dict.fromkeys(scene.expression for scene in frames))
