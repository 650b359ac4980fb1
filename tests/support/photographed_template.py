"""The template head with a random texture in front of calibrated cameras, rendered by a z-buffer."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from splatrig.capture.color import correction_table
from splatrig.capture.demo.head import refine
from splatrig.capture.demo.tracked import build_tracked_mesh
from splatrig.capture.krt import as_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.lenses import Lenses
from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.triangulate import project, projections
from splatrig.tracking.faces import LID_ROWS
from splatrig.tracking.landmark_pose import FaceState
from splatrig.tracking.neutral import NeutralHead
from splatrig.tracking.shots import Shots
from splatrig.tracking.template_head import TemplateHead, read_template_head
from splatrig.tracking.views import depths_of
from support.demo_head import head_path

CANONICAL = Path(__file__).resolve().parents[2] / "resources" / "landmarks" / "canonical.csv"
WIDTH, HEIGHT, FOCAL, DISTANCE_MM = 150, 200, 640.0, 1000.0
AZIMUTHS = (-50.0, -25.0, 0.0, 25.0, 50.0)
MIDDLE = np.array([0.0, 0.0, 40.0])


@cache
def template() -> TemplateHead:
    """Return the template."""
    return read_template_head(head_path(), CANONICAL)[0]


def stage(azimuths: tuple[float, ...] = AZIMUTHS) -> Cameras:
    """Return cameras around the face whose world is the head space of the head at rest."""
    views = []
    for number, azimuth in enumerate(azimuths):
        turn = Rotation.from_euler("y", azimuth, degrees=True) * Rotation.from_euler(
            "x", 8.0 * (number % 2), degrees=True
        )
        axes = turn.as_matrix() @ np.diag([1.0, -1.0, -1.0])
        center = MIDDLE + turn.apply([0.0, 0.0, DISTANCE_MM])
        view = np.eye(4)
        view[:3, :3] = axes.T
        view[:3, 3] = -axes.T @ center
        views.append(view)
    K = np.array([[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]])
    names = tuple(f"camera{number}" for number in range(len(azimuths)))
    return Cameras(names, np.array(views), np.array([K] * len(views)), WIDTH, HEIGHT, np.zeros(len(views), dtype=bool))


@cache
def texture() -> NDArray[np.float64]:
    """Return a gray value per vertex [n]: noise of the size of a few vertices."""
    return np.random.default_rng(7).uniform(0.25, 0.75, len(template().vertices))


def pose_of(rotation_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return a pose [3, 4] that turns the head about its middle and shifts it."""
    turn = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    return np.column_stack([turn, MIDDLE - turn @ MIDDLE + shift_mm])


def photographs(
    vertices: NDArray[np.float64], pose: NDArray[np.float64], cameras: Cameras
) -> list[NDArray[np.float32]]:
    """Return gray photographs of the head of `vertices` [n, 3] in a pose, one per camera, with a little noise."""
    head, generator, images = template(), np.random.default_rng(3), []
    world = vertices @ pose[:, :3].T + pose[:, 3]
    for P in projections(cameras):
        face_at, inside, _ = depths_of(world, head.faces, P, cameras.height, cameras.width)
        image = np.full((cameras.height, cameras.width), 0.1, dtype=np.float32)
        rows, columns = np.nonzero(face_at >= 0)
        values = texture()[head.faces[face_at[rows, columns]]]
        image[rows, columns] = (inside[rows, columns] * values).sum(axis=1)
        images.append(image + generator.normal(0.0, 0.003, image.shape).astype(np.float32))
    return images


def state(pose: NDArray[np.float64], **weights: float) -> FaceState:
    """Return a pose with weights of named blendshapes."""
    names = template().names
    values = np.zeros(len(names))
    for name, weight in weights.items():
        values[names.index(name)] = weight
    return FaceState(pose, values)


def landmarks_seen(of: FaceState, cameras: Cameras, noise_px: float = 0.0) -> NDArray[np.float64]:  # [C, L, 2]
    """Return where the cameras would see the landmarks of the template in a state."""
    head = template()
    points = head.landmarks + np.tensordot(of.weights, head.landmark_shapes(), 1)
    seen = project(projections(cameras), points @ of.pose[:, :3].T + of.pose[:, 3])
    return seen + np.random.default_rng(5).normal(0.0, noise_px, seen.shape)


@dataclass(frozen=True)
class PoseError:
    """How far one pose is from another."""

    degrees: float
    millimeters: float


def pose_error(pose: NDArray[np.float64], true: NDArray[np.float64]) -> PoseError:
    """Return the distance of two poses: turn, and motion of the head's middle."""
    turn = Rotation.from_matrix(pose[:, :3] @ true[:, :3].T).magnitude()
    ends = [own[:, :3] @ MIDDLE + own[:, 3] for own in (pose, true)]
    return PoseError(float(np.degrees(turn)), float(np.linalg.norm(ends[0] - ends[1])))


@cache
def neutral_head(wrong: tuple[str, ...] = ()) -> NeutralHead:
    """Return the template as a person's neutral, at rest in frame `0001`, with a closed mesh of 600 vertices."""
    _, model = read_template_head(head_path(), CANONICAL)
    surface = (refine(model).operator @ model.neutral)[: len(model.neutral)]
    pose = pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return NeutralHead(
        template(), pose, "0001", template().landmarks[LID_ROWS], wrong, build_tracked_mesh(model, surface, 600)
    )


def write_shots(
    root: Path, segment: str, frames: dict[str, list[NDArray[np.float32] | None]], cameras: Cameras
) -> Shots:
    """Write photographs of frames as PNG below `root` and return them as tracking reads them."""
    for frame, images in frames.items():
        for camera, image in zip(cameras.names, images, strict=True):
            folder = root / "images" / segment / camera
            folder.mkdir(parents=True, exist_ok=True)
            if image is not None:
                gray = np.clip(np.rint(255.0 * image), 0, 255).astype(np.uint8)
                Image.fromarray(np.repeat(gray[..., None], 3, axis=2)).save(folder / f"{frame}.png")
    size = cameras.width, cameras.height
    lenses = Lenses({camera.name: camera for camera in as_krt(cameras)}, cameras)
    return Shots(CaptureLayout(root), segment, tuple(frames), cameras, size, 1.0, correction_table(None), lenses)
