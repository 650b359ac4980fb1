"""Raw captures with what people get wrong: small functions that spoil a copy of a capture, and one that examines it."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.krt import KrtCamera, read_krt, write_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.restructure import RestructureOptions, restructure
from splatrig.dataset.cameras import read_cameras, write_cameras
from splatrig.dataset.dataset import Dataset, Frame
from splatrig.dataset.pose import to_world
from splatrig.io.errors import InputError
from splatrig.landmarks.calibration_faults import Scene, agreement
from splatrig.landmarks.check import check_scene
from splatrig.landmarks.detect import detect
from splatrig.landmarks.network import FaceFinder
from splatrig.mesh.nearest import Surface
from splatrig.mesh.obj import read_obj, write_obj

Fault = Callable[[Path], None]
Z_UP = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
"""From y up, face along +z, to z up, face along -y."""
Y_DOWN = np.diag([1.0, -1.0, -1.0])
FACING_AWAY = np.diag([-1.0, 1.0, -1.0])
MIRROR = np.diag([-1.0, 1.0, 1.0])


def copy_of(source: Path, segment: str, target: Path) -> Path:
    """Return a copy of one segment of a raw capture."""
    for folder in (f"images/{segment}", f"tracked_mesh/{segment}"):
        shutil.copytree(source / folder, target / folder)
    for name in ("KRT", "frame_list.txt"):
        shutil.copy2(source / name, target / name)
    return target


def resized(factor: float) -> Fault:
    """Resize all photographs."""

    def spoil(root: Path) -> None:
        for path in root.glob("images/*/*/*.png"):
            with Image.open(path) as image:
                size = (round(image.width * factor), round(image.height * factor))
                small = image.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC)
            small.save(path)

    return spoil


def cropped(left: float, top: float, right: float, bottom: float) -> Fault:
    """Cut fractions of the width and height off all photographs."""

    def spoil(root: Path) -> None:
        for path in root.glob("images/*/*/*.png"):
            with Image.open(path) as image:
                w, h = image.size
                box = (round(left * w), round(top * h), round((1 - right) * w), round((1 - bottom) * h))
                part = image.crop(box)
            part.save(path)

    return spoil


def photographs_mirrored(root: Path) -> None:
    """Mirror all photographs, left to right."""
    for path in root.glob("images/*/*/*.png"):
        with Image.open(path) as image:
            flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        flipped.save(path)


def head_space_turned(turn: np.ndarray, *, poses: bool = True) -> Fault:
    """Give head space other axes, in .bin files and poses; without `poses` the meshes are turned in the world, too."""

    def spoil(root: Path) -> None:
        for path in root.glob("tracked_mesh/*/*.bin"):
            head = np.frombuffer(path.read_bytes(), dtype="<f4").reshape(-1, 3) @ turn.T
            path.write_bytes(head.astype("<f4").tobytes())
            transform = path.with_name(f"{path.stem}_transform.txt")
            pose = np.loadtxt(transform)
            if poses:
                pose[:, :3] = pose[:, :3] @ turn.T
                np.savetxt(transform, pose)
            else:
                mesh = read_obj(path.with_suffix(".obj"))
                write_obj(path.with_suffix(".obj"), to_world(head.astype(float), pose), mesh.faces)

    return spoil


def bins_mirrored(root: Path) -> None:
    """Mirror the head-space positions alone."""
    for path in root.glob("tracked_mesh/*/*.bin"):
        head = np.frombuffer(path.read_bytes(), dtype="<f4").reshape(-1, 3) @ MIRROR
        path.write_bytes(head.astype("<f4").tobytes())


def krt_changed(change: Callable[[KrtCamera], KrtCamera]) -> Fault:
    """Change every camera of the KRT file."""

    def spoil(root: Path) -> None:
        write_krt(root / "KRT", [change(camera) for camera in read_krt(root / "KRT").values()])

    return spoil


def _with_metres(camera: KrtCamera) -> KrtCamera:
    return replace(camera, extrinsics=camera.extrinsics * [1.0, 1.0, 1.0, 0.001])


def _camera_to_world(camera: KrtCamera) -> KrtCamera:
    turn, shift = camera.extrinsics[:, :3], camera.extrinsics[:, 3]
    return replace(camera, extrinsics=np.column_stack([turn.T, -turn.T @ shift]))


def _opengl(camera: KrtCamera) -> KrtCamera:
    return replace(camera, extrinsics=np.diag([1.0, -1.0, -1.0]) @ camera.extrinsics)


def central(fraction: float) -> Fault:
    """Move the principal points to a fraction of the images, and the photographs with them: nothing is wrong then."""

    def spoil(root: Path) -> None:
        path = next(root.glob("images/*/*/*.png"))
        with Image.open(path) as image:
            w, h = image.size
        middle = np.mean([camera.K[:2, 2] for camera in read_krt(root / "KRT").values()], axis=0)
        dx, dy = np.round(np.array([w, h]) * fraction - middle).astype(int)
        for path in root.glob("images/*/*/*.png"):
            with Image.open(path) as image:
                pixels = np.asarray(image)
            Image.fromarray(np.roll(pixels, (dy, dx), axis=(0, 1))).save(path)

        def moved(camera: KrtCamera) -> KrtCamera:
            return replace(camera, K=camera.K + np.array([[0, 0, dx], [0, 0, dy], [0, 0, 0]], dtype=float))

        krt_changed(moved)(root)

    return spoil


def world_mirrored(root: Path) -> None:
    """Mirror cameras, poses, head space and meshes together: every matrix stays a rotation."""

    def mirrored(camera: KrtCamera) -> KrtCamera:
        return replace(camera, extrinsics=MIRROR @ camera.extrinsics @ np.diag([-1.0, 1.0, 1.0, 1.0]))

    krt_changed(mirrored)(root)
    bins_mirrored(root)
    for path in root.glob("tracked_mesh/*/*.obj"):
        mesh = read_obj(path)
        write_obj(path, mesh.vertices @ MIRROR, mesh.faces)
        transform = path.with_name(f"{path.stem}_transform.txt")
        np.savetxt(transform, MIRROR @ np.loadtxt(transform) @ np.diag([-1.0, 1.0, 1.0, 1.0]))


def everything_in_metres(root: Path) -> None:
    """Scale meshes, poses and cameras to meters."""
    krt_changed(_with_metres)(root)
    for path in root.glob("tracked_mesh/*/*.bin"):
        head = 0.001 * np.frombuffer(path.read_bytes(), dtype="<f4")
        path.write_bytes(head.astype("<f4").tobytes())
        mesh = read_obj(path.with_suffix(".obj"))
        write_obj(path.with_suffix(".obj"), 0.001 * mesh.vertices, mesh.faces)
        transform = path.with_name(f"{path.stem}_transform.txt")
        np.savetxt(transform, np.loadtxt(transform) * [1.0, 1.0, 1.0, 0.001])


def krt_of(other: Path) -> Fault:
    """Take the calibration of another capture, whose cameras have the same names."""
    return lambda root: shutil.copy2(other / "KRT", root / "KRT") and None


def meshes_of(other: Path) -> Fault:
    """Take the tracked meshes and poses of another segment, under the names of the frames."""

    def spoil(root: Path) -> None:
        for kind in (".obj", ".bin", "_transform.txt"):
            sources, targets = sorted(other.glob(f"*{kind}")), sorted(root.glob(f"tracked_mesh/*/*{kind}"))
            for source, target in zip(sources, targets, strict=True):
                shutil.copy2(source, target)

    return spoil


def tracked_with_noise(deviation_mm: float) -> Fault:
    """Add noise to every tracked vertex."""

    def spoil(root: Path) -> None:
        generator = np.random.default_rng(0)
        for path in root.glob("tracked_mesh/*/*.bin"):
            head = np.frombuffer(path.read_bytes(), dtype="<f4").reshape(-1, 3)
            head = head + generator.normal(0.0, deviation_mm, head.shape)
            path.write_bytes(head.astype("<f4").tobytes())
            mesh, pose = read_obj(path.with_suffix(".obj")), np.loadtxt(path.with_name(f"{path.stem}_transform.txt"))
            write_obj(path.with_suffix(".obj"), to_world(head, pose), mesh.faces)

    return spoil


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "images halved": (resized(0.5), r"for photographs (1\.9[5-9]|2|2\.0\d*) times as large"),
    "images doubled": (resized(2.0), r"for photographs 0\.(49\d*|5|50\d*) times as large"),
    "images cropped by 10 %": (cropped(0.05, 0.05, 0.05, 0.05), "the photographs are cropped"),
    "z up": (head_space_turned(Z_UP), r"left is \+x, up is \+z and the face looks along -y"),
    "y down": (head_space_turned(Y_DOWN), r"left is \+x, up is -y and the face looks along -z"),
    "facing away": (head_space_turned(FACING_AWAY), r"left is -x, up is \+y and the face looks along -z"),
    "head space mirrored": (head_space_turned(MIRROR), "mirror"),
    "metres": (everything_in_metres, "millimeters"),
}
"""What is spoilt, and what the refusal must say; the ninth case takes another capture's KRT (`krt_of`)."""

MORE_FAULTS: Mapping[str, tuple[Fault, str]] = {
    "images cropped at the top": (cropped(0, 0.1, 0, 0), "the photographs are cropped"),
    "images cropped on the left": (cropped(0.1, 0, 0, 0), "the photographs are cropped"),
    "images at 0.75": (resized(0.75), r"photographs 1\.3[0-9]* times as large"),
    "photographs mirrored": (photographs_mirrored, "photographs are mirrored"),
    "world mirrored": (world_mirrored, "mirrored against the photographs"),
    "positions mirrored": (bins_mirrored, "mirrored"),
    "meshes alone z up": (head_space_turned(Z_UP, poses=False), r"up is \+z and the face looks along -y"),
    "meshes alone facing away": (head_space_turned(FACING_AWAY, poses=False), "the face looks along -z"),
    "KRT in meters": (krt_changed(_with_metres), "meters"),
    "KRT from camera to world": (krt_changed(_camera_to_world), "camera to world|world to camera|OpenCV cameras"),
    "OpenGL cameras": (krt_changed(_opengl), "OpenCV"),
}
KRT_OF_ANOTHER = "calibration is not that of these photographs|no vertex of the tracked mesh"


@dataclass(frozen=True)
class Examined:
    """What the door says about a capture."""

    refused: str
    """The sentence that ends the run, "" without one."""
    odd: tuple[str, ...]
    """What is worth a look."""
    error_percent: float
    """Median error of reprojection, in per cent of the image's height; NaN for a capture refused before."""
    distance_mm: float
    """Median distance of eyes, brows and lips to the tracked mesh."""


def restructured(root: Path, segments: Sequence[str], work: Path, frames: int = 1) -> list[Frame]:
    """Return the first frames of segments of a raw capture as the rules make them; the first segment has the neutral.

    Held out is every eighth camera.
    """
    layout = CaptureLayout(root)
    krt = read_krt(layout.krt)
    names = choose_camera_names(layout, segments[0], "all", set(krt))
    cameras = calibrated_cameras(krt, raw_image_sizes(layout, segments[0], names))
    options = RestructureOptions(segments[0], frames, "first", "skip", 1.0, "multiface_gamma", "silhouette", 0)
    rows = [
        row
        for segment in segments
        for row in restructure(layout, segment, cameras, options, work / "dataset" / segment)
    ]
    write_cameras(work / "dataset" / "cameras.json", cameras.split("every 8th"))
    return Dataset.open(work / "dataset" / "cameras.json").frames([f"{row.expression}/{row.frame}" for row in rows])


def scene_of(root: Path, segment: str, work: Path, finder: FaceFinder, canonical: np.ndarray) -> Scene:
    """Return the neutral of a raw capture, looked at."""
    frame = restructured(root, [segment], work)[0]
    cameras = read_cameras(work / "dataset" / "cameras.json")
    mesh = read_obj(frame.folder / f"{frame.frame}.obj")
    pose = np.loadtxt(frame.folder / f"{frame.frame}_transform.txt")
    seen = detect(frame, finder)[~cameras.held_out]
    return Scene(cameras.train, pose, seen, Surface(mesh.vertices, mesh.faces), canonical)


def examine(root: Path, segment: str, work: Path, finder: FaceFinder, canonical: np.ndarray) -> Examined:
    """Return what the door says about a raw capture."""
    try:
        scene = scene_of(root, segment, work, finder, canonical)
    except InputError as error:
        return Examined(str(error), (), float("nan"), float("nan"))
    found = agreement(scene)
    figures = 100 * found.error, found.distance_mm
    try:
        return Examined("", tuple(check_scene(scene, str(root / "KRT"))), *figures)
    except InputError as error:
        return Examined(str(error), (), *figures)
