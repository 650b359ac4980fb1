"""A capture of the raw layout in the layouts of other releases, with their naming and their traps."""

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.krt import KrtCamera
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import image_size
from splatrig.capture.tracked import read_positions
from splatrig.dataset.pose import read_pose, to_world, write_pose
from splatrig.io.files import write_text
from splatrig.io.ply import write_ply_table
from splatrig.mesh.obj import ObjMesh, read_obj, write_obj
from support.raw_capture import HEIGHT, WIDTH

SENSOR = 4 * WIDTH, 4 * HEIGHT
"""What the calibrations of Ava-256 and Goliath are for, of the shape of the tiny capture's images."""
EMPTY, ELSEWHERE = "400098", "400099"
"""Cameras of the calibration: one whose archive is an empty file, and one that has none."""
HAIR, BODY, CHAIR, APPAREL = 1, 2, 3, 4
PARTLY_LIT = 7
"""Number of a frame that Goliath has before those of the raw capture."""


@dataclass(frozen=True)
class Source:
    """A capture of the raw layout, with .bin files and masks, as the writers take it."""

    layout: CaptureLayout
    segments: tuple[str, ...]
    cameras: dict[str, KrtCamera]
    mesh: ObjMesh
    """Of the first frame."""
    size: tuple[int, int]

    @classmethod
    def of(cls, root: Path, segments: Iterable[str] = ()) -> "Source":
        """Open a capture with some of its segments, by default all."""
        layout = CaptureLayout(root)
        used = tuple(segments) or tuple(layout.segments())
        cameras = dict(sorted(layout.calibration().items()))
        first = layout.frames(used[0], ())[0]
        size = image_size(layout.image(used[0], next(iter(cameras)), first.frame))
        return cls(layout, used, cameras, read_obj(first.mesh), size)

    @property
    def frames(self) -> list[FrameFiles]:
        """The frames of all segments."""
        return [files for segment in self.segments for files in self.layout.frames(segment, ())]

    def head(self, files: FrameFiles) -> np.ndarray:  # [V, 3]
        """Return the positions of a frame in head space, those of vertices that no face references too."""
        return read_positions(files.positions, len(self.mesh.vertices))

    def number(self, files: FrameFiles) -> int:
        """Return the number of a frame in releases that count through all segments."""
        return 1000 * self.segments.index(files.segment) + int(files.frame)


def write_ava256(
    source: Source,
    root: Path,
    missing: Iterable[tuple[str, str, str]] = (),
    sensor: tuple[int, int] = SENSOR,
) -> Path:
    """Write a subject as Ava-256 has it, without the photographs `missing` (segment, camera, frame); return `root`."""
    return _write_release(source, root, "frame_list.csv", "face_topology.obj", "", set(missing), 1, sensor)


def write_goliath(source: Source, root: Path, sensor: tuple[int, int] = SENSOR) -> Path:
    """Write a head as Goliath has it: folders in its archives, small segmentations, frames that few lamps light."""
    topology = "kinematic_tracking/template_mesh.obj"
    _write_release(source, root, "frame_segments_list.csv", topology, "registration_vertices/", set(), 2, sensor)
    with (root / "frame_segments_list.csv").open("a") as file:
        file.write(f"{source.segments[0]},{PARTLY_LIT}\n")
    patterns = [[PARTLY_LIT, 12], *([source.number(files), 0] for files in source.frames)]
    write_text(root / "lights" / "light_pattern_per_frame.json", json.dumps(patterns))
    return root


def write_nerf(source: Source, root: Path, union: str = "UNION_2") -> Path:
    """Write a union of VHAP's exports, one per segment and each in a world of its own; return the union's folder."""
    frames: list[dict[str, object]] = []
    for segment in source.segments:
        entries = _write_sequence(source, root / segment, segment)
        write_text(root / segment / "transforms.json", json.dumps({"frames": entries}))
        paths = ("file_path", "fg_mask_path", "mesh_path")
        frames += [entry | {key: f"../{segment}/{entry[key]}" for key in paths} for entry in entries]
        (root / segment / "images" / "._00000_00.png").write_bytes(b"what macOS leaves on disks of others")
    for entry in frames:
        del entry["timestep_id"]
    last = len(source.cameras) - 1
    splits = {"train": [e for e in frames if e["camera_index"] != last]}
    splits["val"] = [e for e in frames if e["camera_index"] == last]
    splits["test"] = frames[:2]  # named before
    for split, entries in splits.items():
        write_text(root / union / f"transforms_{split}.json", json.dumps({"frames": entries}))
    write_text(root / union / "sequences_trainval.txt", "\n".join(source.segments))
    return root / union


def classes_of(mask: np.ndarray) -> np.ndarray:  # [H, W], [H, W]
    """Return a segmentation whose subject is `mask`: hair above a body, a chair below that it sits on in clothes."""
    height = len(mask)
    rows = np.where(np.arange(height) < height // 3, HAIR, BODY)
    parts = np.where(mask > 127, rows[:, None], 0)
    parts[-height // 9 :] = np.where(parts[-height // 9 :] == 0, CHAIR, APPAREL)
    return parts.astype(np.uint8)


def _write_release(
    source: Source,
    root: Path,
    frame_list: str,
    topology: str,
    folder: str,
    missing: set[tuple[str, str, str]],
    shrink: int,
    sensor: tuple[int, int],
) -> Path:
    entries = [_calibration_entry(camera, source.size, sensor) for camera in source.cameras.values()]
    entries += [dict(entries[0], cameraId=name) for name in (EMPTY, ELSEWHERE)]
    write_text(root / "camera_calibration.json", json.dumps({"KRT": entries}))
    rows = [f"{files.segment},{source.number(files)}" for files in source.frames]
    write_text(root / frame_list, "\n".join(["seg_id,frame_id", *rows]) + "\n")
    (root / topology).parent.mkdir(parents=True, exist_ok=True)
    moved = source.mesh.vertices + 1000.0  # the topology is that of some frame, somewhere
    write_obj(root / topology, moved, source.mesh.faces, source.mesh.uvs, source.mesh.uv_faces)
    (root / "uv_image").mkdir()
    Image.open(source.layout.tex_mean).save(root / "uv_image" / "color_mean.png")

    meshes, poses = {}, {}
    for files in source.frames:
        name = f"{source.number(files):06d}"
        meshes[f"{folder}{name}.ply"] = _ply_of(source.head(files), root)
        write_pose(root / "pose.txt", read_pose(files.pose))
        poses[f"{name}.txt"] = (root / "pose.txt").read_bytes()
    (root / "pose.txt").unlink()
    write_zip(root / "kinematic_tracking" / "registration_vertices.zip", meshes)
    write_zip(root / "head_pose" / "head_pose.zip", poses)

    for name in source.cameras:
        images, classes = {}, {}
        for files in source.frames:
            place = files.segment, name, files.frame
            member = f"cam{name}/{source.number(files):06d}"
            if place in missing:
                continue
            with Image.open(source.layout.image(*place)) as image:
                images[f"{member}.avif"] = encoded(image, "AVIF", quality=100, subsampling="4:4:4")
            with Image.open(source.layout.mask(*place)) as mask:
                small = classes_of(np.asarray(mask))[::shrink, ::shrink]
            classes[f"{member}.png"] = encoded(Image.fromarray(small), "PNG")
        write_zip(root / "image" / f"cam{name}.zip", images)
        write_zip(root / "segmentation_parts" / f"cam{name}.zip", classes)
    (root / "image" / f"cam{EMPTY}.zip").write_bytes(b"")
    return root


def _calibration_entry(camera: KrtCamera, size: tuple[int, int], sensor: tuple[int, int]) -> dict[str, object]:
    """Return a camera with both matrices transposed, for the whole sensor, and the distortion that is taken off."""
    T = np.vstack([camera.extrinsics, [0, 0, 0, 1]])
    K = np.diag([sensor[0] / size[0], sensor[1] / size[1], 1.0]) @ camera.K
    return {
        "cameraId": camera.name,
        "projectionModel": "Pinhole",
        "distortionModel": "RadialAndTangential",
        "distortion": [-0.0734, 0.0439, -0.0034, 0.0030],
        "K": K.T.tolist(),
        "T": T.T.tolist(),
    }


def _write_sequence(source: Source, folder: Path, segment: str) -> list[dict[str, object]]:
    """Write the files of one export and return its entries; its world is where the mean of its heads is."""
    layout, (width, height) = source.layout, source.size
    frames = layout.frames(segment, ())
    poses = [read_pose(files.pose) for files in frames]
    center = np.mean([pose[:, 3] for pose in poses], axis=0)
    for name in ("images", "fg_masks", "meshes"):
        (folder / name).mkdir(parents=True)
    _write_metres(folder / "canonical.obj", source.head(source.frames[0]), source.mesh.faces)
    entries = []
    for t, (files, pose) in enumerate(zip(frames, poses, strict=True)):
        world = to_world(source.head(files), pose) - center
        _write_metres(folder / "meshes" / f"{t:05d}.obj", world, source.mesh.faces)
        for c, (name, camera) in enumerate(source.cameras.items()):
            K, viewmat = camera.K, np.vstack([camera.extrinsics, [0, 0, 0, 1]])
            viewmat[:3, 3] = (viewmat[:3, 3] + viewmat[:3, :3] @ center) / 1000.0
            Image.open(layout.image(segment, name, files.frame)).save(folder / "images" / f"{t:05d}_{c:02d}.png")
            Image.open(layout.mask(segment, name, files.frame)).save(folder / "fg_masks" / f"{t:05d}_{c:02d}.png")
            entries.append(
                {
                    "timestep_index": t,
                    "timestep_id": files.frame,
                    "camera_index": c,
                    "camera_id": name,
                    **{"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": height - K[1, 2]},
                    **{"w": width, "h": height},
                    "transform_matrix": (np.linalg.inv(viewmat) @ np.diag([1, -1, -1, 1])).tolist(),
                    "file_path": f"images/{t:05d}_{c:02d}.png",
                    "fg_mask_path": f"fg_masks/{t:05d}_{c:02d}.png",
                    "mesh_path": f"meshes/{t:05d}.obj",
                }
            )
    return entries


def _write_metres(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a mesh of millimeters in meters, with as many digits as float32 has and more."""
    lines = [f"v {x / 1000:.12f} {y / 1000:.12f} {z / 1000:.12f}" for x, y, z in vertices]
    write_text(path, "\n".join([*lines, *(f"f {a} {b} {c}" for a, b, c in faces + 1)]) + "\n")


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    """Write an archive with entries of its folders and what macOS adds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        folders = {f"{name.rpartition('/')[0]}/" for name in members if "/" in name}
        for folder in sorted(folders):
            archive.writestr(folder, b"")
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("__MACOSX/._notes", b"resource fork")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """Return the bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _ply_of(vertices: np.ndarray, folder: Path) -> bytes:
    """Return a PLY of positions alone."""
    table = np.empty(len(vertices), dtype=[(axis, "f4") for axis in "xyz"])
    for column, axis in enumerate("xyz"):
        table[axis] = vertices[:, column]
    path = folder / "vertices.ply"
    write_ply_table(path, table)
    content = path.read_bytes()
    path.unlink()
    return content
