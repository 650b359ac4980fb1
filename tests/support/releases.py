"""The tiny raw capture in the layouts of other releases, with their naming and their traps."""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from splatrig.capture.krt import KrtCamera, read_krt
from splatrig.dataset.pose import to_world, write_pose
from splatrig.io.files import write_text
from splatrig.io.ply import write_ply_table
from splatrig.mesh.obj import write_obj
from support.raw_capture import HEIGHT, NEUTRAL, WIDTH, RawCapture

SENSOR = 4 * WIDTH, 4 * HEIGHT
"""What the calibrations of Ava-256 and Goliath are for, here: of the shape of the tiny images."""
EMPTY, ELSEWHERE = "400098", "400099"
"""Cameras of the calibration: one whose archive is an empty file, and one that has none."""
HAIR, BODY, CHAIR, APPAREL = 1, 2, 3, 4
PARTLY_LIT = 7
"""Number of a frame that Goliath has between those of the raw capture."""


def number_of(raw: RawCapture, segment: str, frame: str) -> int:
    """Return the number of a frame in releases that count through all segments."""
    return 1000 * list(raw.segments).index(segment) + int(frame)


def places(raw: RawCapture) -> list[tuple[str, str]]:
    """Return segment and frame of all frames."""
    return [(segment, frame) for segment in raw.segments for frame in raw.frames(segment)]


def write_ava256(raw: RawCapture, root: Path, missing: Iterable[tuple[str, str, str]] = ()) -> Path:
    """Write a subject as Ava-256 has it, without the photographs `missing` (segment, camera, frame); return `root`."""
    return _write_release(raw, root, "frame_list.csv", "face_topology.obj", "", set(missing), 1)


def write_goliath(raw: RawCapture, root: Path, missing: Iterable[tuple[str, str, str]] = ()) -> Path:
    """Write a head as Goliath has it: folders in its archives, small segmentations, frames that few lamps light."""
    topology = "kinematic_tracking/template_mesh.obj"
    _write_release(raw, root, "frame_segments_list.csv", topology, "registration_vertices/", set(missing), 2)
    numbers = [number_of(raw, *place) for place in places(raw)]
    with (root / "frame_segments_list.csv").open("a") as file:
        file.write(f"{NEUTRAL},{PARTLY_LIT}\n")
    patterns = [[PARTLY_LIT, 12], *([number, 0] for number in numbers)]
    write_text(root / "lights" / "light_pattern_per_frame.json", json.dumps(patterns))
    return root


def write_nerf(raw: RawCapture, root: Path, union: str = "UNION_2") -> Path:
    """Write a union of VHAP's exports, one per segment and each in a world of its own; return the union's folder."""
    frames: list[dict[str, object]] = []
    for segment in raw.segments:
        entries = _write_sequence(raw, root / segment, segment)
        write_text(root / segment / "transforms.json", json.dumps({"frames": entries}))
        paths = ("file_path", "fg_mask_path", "mesh_path")
        frames += [entry | {key: f"../{segment}/{entry[key]}" for key in paths} for entry in entries]
        (root / segment / "images" / "._00000_00.png").write_bytes(b"what macOS leaves on disks of others")
    for entry in frames:
        del entry["timestep_id"]
    last = len(raw.cameras) - 1
    splits = {"train": [e for e in frames if e["camera_index"] != last]}
    splits["val"] = [e for e in frames if e["camera_index"] == last]
    splits["test"] = frames[:2]  # named before
    for split, entries in splits.items():
        write_text(root / union / f"transforms_{split}.json", json.dumps({"frames": entries}))
    write_text(root / union / "sequences_trainval.txt", "\n".join(raw.segments))
    return root / union


def _write_release(
    raw: RawCapture, root: Path, frame_list: str, topology: str, folder: str, missing: set, shrink: int
) -> Path:
    cameras = read_krt(raw.root / "KRT")
    entries = [_calibration_entry(camera) for camera in cameras.values()]
    entries += [dict(entries[0], cameraId=name) for name in (EMPTY, ELSEWHERE)]
    write_text(root / "camera_calibration.json", json.dumps({"KRT": entries}))
    rows = [f"{segment},{number_of(raw, segment, frame)}" for segment, frame in places(raw)]
    write_text(root / frame_list, "\n".join(["seg_id,frame_id", *rows]) + "\n")
    first = raw.head[places(raw)[0]]
    seam = np.arange(3 * len(raw.faces)).reshape(-1, 3)
    uvs = np.clip((first[raw.faces].reshape(-1, 3)[:, :2] + 150) / 300, 0, 1)
    (root / topology).parent.mkdir(parents=True, exist_ok=True)
    write_obj(root / topology, first + 1000.0, raw.faces, uvs, seam)  # somewhere in a world
    (root / "uv_image").mkdir()
    Image.open(raw.root / "tex_mean.png").save(root / "uv_image" / "color_mean.png")

    meshes, poses = {}, {}
    for segment, frame in places(raw):
        name = f"{number_of(raw, segment, frame):06d}"
        meshes[f"{folder}{name}.ply"] = _ply_of(raw.head[segment, frame], root)
        write_pose(root / "pose.txt", raw.poses[segment, frame])
        poses[f"{name}.txt"] = (root / "pose.txt").read_bytes()
    (root / "pose.txt").unlink()
    write_zip(root / "kinematic_tracking" / "registration_vertices.zip", meshes)
    write_zip(root / "head_pose" / "head_pose.zip", poses)

    for name, camera in cameras.items():
        images, classes = {}, {}
        for segment, frame in places(raw):
            number = f"cam{name}/{number_of(raw, segment, frame):06d}"
            if (segment, name, frame) in missing:
                continue
            with Image.open(raw.image(segment, name, frame)) as image:
                images[f"{number}.avif"] = encoded(image, "AVIF", quality=100, subsampling="4:4:4")
            silhouette = raw.true_silhouette(segment, frame, camera)
            parts = np.where(silhouette > 127, np.where(np.arange(HEIGHT) < 12, HAIR, BODY)[:, None], 0)
            parts[-4:] = np.where(parts[-4:] == 0, CHAIR, APPAREL)
            small = Image.fromarray(parts.astype(np.uint8)[::shrink, ::shrink])
            classes[f"{number}.png"] = encoded(small, "PNG")
        write_zip(root / "image" / f"cam{name}.zip", images)
        write_zip(root / "segmentation_parts" / f"cam{name}.zip", classes)
    (root / "image" / f"cam{EMPTY}.zip").write_bytes(b"")
    return root


def _calibration_entry(camera: KrtCamera) -> dict[str, object]:
    """Return a camera with both matrices transposed, for the whole sensor, and the distortion that is taken off."""
    T = np.vstack([camera.extrinsics, [0, 0, 0, 1]])
    K = np.diag([SENSOR[0] / WIDTH, SENSOR[1] / HEIGHT, 1.0]) @ camera.K
    return {
        "cameraId": camera.name,
        "projectionModel": "Pinhole",
        "distortionModel": "RadialAndTangential",
        "distortion": [-0.0734, 0.0439, -0.0034, 0.0030],
        "K": K.T.tolist(),
        "T": T.T.tolist(),
    }


def _write_sequence(raw: RawCapture, folder: Path, segment: str) -> list[dict[str, object]]:
    """Write the files of one export and return its entries; its world is where the mean of its heads is."""
    cameras = read_krt(raw.root / "KRT")
    center = np.mean([raw.poses[segment, frame][:, 3] for frame in raw.frames(segment)], axis=0)
    for name in ("images", "fg_masks", "meshes"):
        (folder / name).mkdir(parents=True)
    _write_metres(folder / "canonical.obj", raw.head[places(raw)[0]], raw.faces)
    raw.write_masks(segment)
    entries = []
    for t, frame in enumerate(raw.frames(segment)):
        world = to_world(raw.head[segment, frame], raw.poses[segment, frame]) - center
        _write_metres(folder / "meshes" / f"{t:05d}.obj", world, raw.faces)
        for c, name in enumerate(sorted(cameras)):
            K, viewmat = cameras[name].K, np.vstack([cameras[name].extrinsics, [0, 0, 0, 1]])
            viewmat[:3, 3] = (viewmat[:3, 3] + viewmat[:3, :3] @ center) / 1000.0
            Image.open(raw.image(segment, name, frame)).save(folder / "images" / f"{t:05d}_{c:02d}.png")
            Image.open(raw.mask(segment, name, frame)).save(folder / "fg_masks" / f"{t:05d}_{c:02d}.png")
            entries.append(
                {
                    "timestep_index": t,
                    "timestep_id": frame,
                    "camera_index": c,
                    "camera_id": name,
                    **{"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": HEIGHT - K[1, 2]},
                    **{"w": WIDTH, "h": HEIGHT},
                    "transform_matrix": (np.linalg.inv(viewmat) @ np.diag([1, -1, -1, 1])).tolist(),
                    "file_path": f"images/{t:05d}_{c:02d}.png",
                    "fg_mask_path": f"fg_masks/{t:05d}_{c:02d}.png",
                    "mesh_path": f"meshes/{t:05d}.obj",
                }
            )
    return entries


def _write_metres(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a mesh of millimetres in metres, with as many digits as float32 has and more."""
    lines = [f"v {x / 1000:.12f} {y / 1000:.12f} {z / 1000:.12f}" for x, y, z in vertices]
    write_text(path, "\n".join([*lines, *(f"f {a} {b} {c}" for a, b, c in faces + 1)]) + "\n")


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    """Write an archive with a folder entry and what macOS adds."""
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
