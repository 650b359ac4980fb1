"""A tiny raw capture in the Multiface layout to test on: an ellipsoid head, three or four cameras of 24×36 pixels."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from splatrig.capture.calibration import calibrated_cameras
from splatrig.capture.krt import KrtCamera, read_krt, write_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.restructure import RestructureOptions, restructure
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.frames import ChosenFrame
from splatrig.dataset.pose import to_world, write_pose
from splatrig.mesh.obj import write_obj
from splatrig.mesh.silhouette import silhouette
from support.ellipsoid import ellipsoid_head

WIDTH, HEIGHT = 24, 36
STAGE = np.array([20, 60, 30], dtype=np.uint8)
HEAD = np.array([120, 90, 70], dtype=np.uint8)
UNREFERENCED = 5
NEUTRAL, SMILE = "E001_Neutral", "E002_Smile"
OPTIONS = RestructureOptions(
    neutral=NEUTRAL,
    frames_per_expression=2,
    frame_selection="spread",
    holes="skip",
    image_scale=1.0,
    color=None,
    background="silhouette",
    subdivisions=2,
)


def stage_cameras(names: tuple[str, ...]) -> list[KrtCamera]:
    """Return cameras in an arc before the head, unsorted names welcome, off-center principal points."""
    cameras = []
    for number, name in enumerate(names):
        turn = Rotation.from_euler("y", 25.0 * (number - (len(names) - 1) / 2), degrees=True)
        rotation = (Rotation.from_euler("x", 180, degrees=True) * turn).as_matrix()
        focal = 120.0 + number
        K = np.array([[focal, 0, WIDTH / 2 + 1.5], [0, focal + 0.5, HEIGHT / 2 - 1.0 + number], [0, 0, 1]])
        translation = np.array([0.0, 0.0, 1070.0]) - rotation @ np.array([100.0, -50.0, 400.0])
        cameras.append(KrtCamera(name, K, np.zeros(5), np.column_stack([rotation, translation])))
    return cameras


@dataclass
class RawCapture:
    """What to write, and the truth about it."""

    root: Path
    segments: dict[str, int] = field(default_factory=lambda: {"E001_Neutral": 3, "E002_Smile": 4})
    cameras: tuple[str, ...] = ("400030", "400002", "400017")
    space: str = "world"
    with_bin: bool = True
    head: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    poses: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    faces: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))

    def frames(self, segment: str) -> list[str]:
        return [f"{100 + 3 * number:06d}" for number in range(self.segments[segment])]

    def image(self, segment: str, camera: str, frame: str) -> Path:
        return self.root / "images" / segment / camera / f"{frame}.png"

    def mask(self, segment: str, camera: str, frame: str) -> Path:
        return self.root / "masks" / segment / camera / f"{frame}.png"

    def write_masks(self, segment: str) -> None:
        """Write masks that reach two pixels beyond the mesh on the right, as hair does."""
        for camera in stage_cameras(self.cameras):
            self.mask(segment, camera.name, "").parent.mkdir(parents=True, exist_ok=True)
            for frame in self.frames(segment):
                silhouette = self.true_silhouette(segment, frame, camera)
                wider = np.maximum(silhouette, np.roll(silhouette, 2, axis=1))
                Image.fromarray(wider).save(self.mask(segment, camera.name, frame))

    def write_plates(self) -> None:
        """Write photographs of the empty stage."""
        (self.root / "plates").mkdir()
        for camera in self.cameras:
            Image.fromarray(np.broadcast_to(STAGE, (HEIGHT, WIDTH, 3))).save(self.root / "plates" / f"{camera}.png")

    def tracked(self, segment: str, name: str) -> Path:
        return self.root / "tracked_mesh" / segment / name

    def write(self) -> "RawCapture":
        rest, faces = ellipsoid_head(2)
        self.faces = faces + UNREFERENCED
        cameras = stage_cameras(self.cameras)
        self.root.mkdir(parents=True)
        write_krt(self.root / "KRT", cameras)
        listing = [f"{segment} {frame}" for segment in self.segments for frame in self.frames(segment)]
        (self.root / "frame_list.txt").write_text("\n".join(listing) + "\n")
        texture = np.zeros((16, 16, 3), dtype=np.uint8)
        texture[..., 0], texture[..., 1] = np.arange(16) * 16, (np.arange(16) * 16)[:, None]
        Image.fromarray(texture).save(self.root / "tex_mean.png")
        for kind, segment in enumerate(self.segments):
            for number, frame in enumerate(self.frames(segment)):
                self._write_frame(segment, frame, kind, number, rest, cameras)
        return self

    def _write_frame(self, segment, frame, kind, number, rest, cameras) -> None:
        weight = kind * number**2
        head = rest + weight * np.array([0.0, -2.0, 1.0]) * (rest[:, 1:2] < -40)
        head = np.concatenate([np.full((UNREFERENCED, 3), 1e3), head]).astype(np.float32).astype(np.float64)
        turn = Rotation.from_euler("xyz", [3.0 * number, 5.0 * kind, 2.0], degrees=True).as_matrix()
        pose = np.column_stack([turn, [100.0 + number, -50.0, 400.0 + kind]])
        self.head[segment, frame], self.poses[segment, frame] = head, pose
        self.tracked(segment, "").mkdir(parents=True, exist_ok=True)
        written = to_world(head, pose) if self.space == "world" else head
        seam = np.arange(3 * len(self.faces)).reshape(-1, 3)  # every corner its own: seams everywhere
        uvs = np.clip((head[self.faces].reshape(-1, 3)[:, :2] + 150) / 300, 0, 1)
        write_obj(self.tracked(segment, f"{frame}.obj"), written, self.faces, uvs, seam)
        if self.with_bin:
            self.tracked(segment, f"{frame}.bin").write_bytes(head.astype("<f4").tobytes())
        write_pose(self.tracked(segment, f"{frame}_transform.txt"), pose)
        for camera in cameras:
            alpha = self.true_silhouette(segment, frame, camera)[..., None] / 255.0
            self.image(segment, camera.name, frame).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.round(alpha * HEAD + (1 - alpha) * STAGE).astype(np.uint8)
            Image.fromarray(pixels).save(self.image(segment, camera.name, frame))

    def true_silhouette(self, segment, frame, camera: KrtCamera) -> np.ndarray:
        viewmat = np.vstack([camera.extrinsics, [0, 0, 0, 1]])
        world = to_world(self.head[segment, frame], self.poses[segment, frame])
        return silhouette(world, self.faces, viewmat, camera.K, WIDTH, HEIGHT)


def cameras_of(raw: RawCapture, scale: float = 1.0) -> Cameras:
    """Return the calibrated cameras of a capture."""
    names = sorted(raw.cameras)
    return calibrated_cameras(read_krt(raw.root / "KRT"), dict.fromkeys(names, (WIDTH, HEIGHT))).scaled(scale)


def run(
    raw: RawCapture,
    target: Path,
    expression: str = SMILE,
    threads: int = 1,
    plates: Path | None = None,
    segmenter: Path | None = None,
    **changes: object,
) -> list[ChosenFrame]:
    """Restructure one expression, by `OPTIONS` with a few changes."""
    options = replace(OPTIONS, **changes)
    cameras = cameras_of(raw, options.image_scale)
    layout = CaptureLayout(raw.root)
    return restructure(
        layout, expression, cameras, options, target, plates=plates, segmenter=segmenter, threads=threads
    )


@contextmanager
def replaced(path: Path) -> Iterator[None]:
    """Change a byte of a file in place, so that neither its size nor the time of its folder changes."""
    before, stamp = path.read_bytes(), path.stat()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
