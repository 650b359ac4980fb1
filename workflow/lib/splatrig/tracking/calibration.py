"""Calibration of photographs in common formats, and its scale.

Formats are `KRT` as in Multiface, `transforms.json` of NeRF (OpenGL camera axes, camera to world), and COLMAP models. A
file may be in millimeters, meters or an arbitrary unit, which the face in the photographs determines.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.krt import KrtCamera, read_krt
from splatrig.config.names import check_name
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError
from splatrig.landmarks.canonical import similarity_to
from splatrig.landmarks.locate import locate
from splatrig.landmarks.points import POINTS

FILES = ("KRT", "transforms.json", "sparse/0", "sparse")
"""Calibration files in the order in which they are looked for; the first one found is used."""
UNITS = {"millimeters": 1.0, "centimeters": 10.0, "meters": 1000.0}
"""Millimeters per unit of a file."""
ADULT = (0.8, 1.25)
"""Range of sizes of faces, relative to the template, at which a file is taken to be in one of these units."""
FEWEST = 12
"""Least number of points of the face that determine a scale."""
_PUPILS = ((33, 133), (362, 263))
"""Outer and inner corner of each eye; pupils are assumed to be in the middle."""

logger = logging.getLogger(__name__)


def calibration_file(root: Path) -> Path:
    """Return the calibration of a folder of photographs; raise InputError if there is none."""
    for name in FILES:
        if (root / name).exists():
            return root / name
    raise InputError(
        f"{root}: expected a calibration (KRT, transforms.json, or a COLMAP model in sparse/0), got none; calibrate "
        "the cameras first, for example with COLMAP."
    )


def read_calibration(path: Path) -> dict[str, KrtCamera]:
    """Read the cameras of a calibration file by name, with extrinsics in the file's own unit.

    Args:
        path: `KRT`, `transforms.json`, or the folder of a COLMAP model.

    Raises:
        InputError: Something is missing, contradicts itself, or is of another kind; names the file.
    """
    if path.name == "transforms.json":
        return _from_transforms(path)
    return read_krt(path) if path.is_file() else _from_colmap(path)


def _from_transforms(path: Path) -> dict[str, KrtCamera]:
    """Read a `transforms.json`: one camera per name; frames of the same camera must agree."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = [(_camera_name(row), *_pinhole({**document, **row})) for row in document["frames"]]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as a transforms.json of NeRF ({error!r}); each frame needs file_path and "
            "transform_matrix, and it or the whole file fl_x, fl_y, cx, cy."
        ) from error
    return _agreeing(path, rows)


def _camera_name(row: Mapping[str, Any]) -> str:
    """Return the camera of a frame: its `camera_id`, or the folder of its image, or the image's own name."""
    if "camera_id" in row:
        return str(row["camera_id"])
    return _name_of(str(row["file_path"]))


def _name_of(image: str) -> str:
    """Return the camera of an image: `.../{camera}/{frame}.png`, or `.../{camera}.png` below a folder `images`."""
    parts = [part for part in PurePosixPath(image).parts if part not in (".", "..", "/")]
    if len(parts) > 1 and parts[-2] != "images":
        return parts[-2]
    return PurePosixPath(parts[-1]).stem


def _pinhole(row: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return K, distortion and extrinsics of a frame of `transforms.json`."""
    focal = float(row["fl_x"])
    K = np.array([[focal, 0.0, float(row["cx"])], [0.0, float(row.get("fl_y", focal)), float(row["cy"])], [0, 0, 1]])
    distortion = np.array([float(row.get(name, 0.0)) for name in ("k1", "k2", "p1", "p2", "k3")])
    to_world = np.array(row["transform_matrix"], dtype=np.float64).reshape(-1, 4)[:3] * [1.0, -1.0, -1.0, 1.0]
    turn = to_world[:, :3].T
    return K, distortion, np.column_stack([turn, -turn @ to_world[:, 3]])


def _from_colmap(folder: Path) -> dict[str, KrtCamera]:
    """Read a binary or text COLMAP model with pycolmap."""
    try:
        import pycolmap
    except ImportError as error:
        raise InputError(
            f"{folder}: COLMAP models are read by the package pycolmap, which cannot be imported ({error}); install it "
            "(pip install pycolmap), or write a KRT file."
        ) from error
    try:
        model = pycolmap.Reconstruction(str(folder))
    except (ValueError, RuntimeError, OSError) as error:
        raise InputError(
            f"{folder}: cannot be read as a COLMAP model ({error}); export it again with COLMAP."
        ) from error
    rows = []
    for image in model.images.values():
        camera = model.cameras[image.camera_id]
        values = dict(zip(camera.params_info.split(", "), camera.params, strict=True))
        unknown = set(values) - {"f", "fx", "fy", "cx", "cy", "k", "k1", "k2", "p1", "p2"}
        if unknown:
            raise InputError(
                f"{folder}: camera {image.name} has the model {camera.model.name}, expected a pinhole camera with "
                "radial and tangential distortion at most; calibrate with OPENCV or PINHOLE."
            )
        K = camera.calibration_matrix()
        distortion = np.array(
            [values.get("k1", values.get("k", 0.0)), *(values.get(name, 0.0) for name in ("k2", "p1", "p2")), 0.0]
        )
        rows.append((_name_of(image.name), K, distortion, image.cam_from_world().matrix()))
    return _agreeing(folder, rows)


def _agreeing(
    path: Path, rows: Iterable[tuple[str, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]
) -> dict[str, KrtCamera]:
    """Return one camera per name; raise InputError if two rows of a camera differ, or there are none."""
    cameras: dict[str, KrtCamera] = {}
    for name, K, distortion, extrinsics in rows:
        check_name(name, f"{path}, camera")
        first = cameras.setdefault(name, KrtCamera(name, K, distortion, extrinsics))
        if not (np.allclose(first.K, K, rtol=1e-4) and np.allclose(first.extrinsics, extrinsics, rtol=1e-3, atol=1e-4)):
            raise InputError(
                f"{path}: camera {name} has two positions or focal lengths, expected cameras that do not move; "
                "give each camera its own folder or camera_id."
            )
    if not cameras:
        raise InputError(f"{path}: expected cameras, got none; calibrate the cameras first.")
    return cameras


def scale_to_millimeters(
    seen: NDArray[np.float64],  # [C, L, 2] pixels of the neutral's first frame
    cameras: Cameras,
    canonical: NDArray[np.float64],  # [L, 3] millimeters
    eye_distance_mm: float | None,
) -> float:
    """Return the millimeters per unit of a calibration, from the face that its cameras see.

    If a known unit gives the face the size of an adult's, that unit is used; else the face gets the template's size.
    `eye_distance_mm` takes precedence over both: it is the distance between the pupils, assumed in the middle between
    the corners of the eyes. Raises InputError if no face is seen.
    """
    points = locate(_in_unit_of_faces(cameras), seen, canonical).positions
    known = np.isfinite(points).all(axis=1)
    if known.sum() < FEWEST:
        raise InputError(
            f"calibration: {int(known.sum())} points of the neutral's face were placed by two cameras or more, "
            f"{FEWEST} are needed; the first frame of the neutral must show it to two cameras from the front, and "
            "calibration and photographs must belong together."
        )
    size = similarity_to(points, canonical).scale * _guess(cameras)  # size of the template in the file's unit
    if eye_distance_mm is not None:
        middles = [points[[POINTS.index(point) for point in pair]].mean(axis=0) for pair in _PUPILS]
        return eye_distance_mm / float(np.linalg.norm(middles[0] - middles[1]) * _guess(cameras))
    for unit, millimeters in UNITS.items():
        if ADULT[0] <= size * millimeters <= ADULT[1]:
            logger.info("the calibration is in %s: the face is %.2f times the template", unit, size * millimeters)
            return millimeters
    logger.warning(
        "the calibration has no known unit (the face would be %.3g times the template in millimeters): the face gets "
        "the template's size, pupils 61 mm apart; set capture.eye_distance_mm if the size matters",
        size,
    )
    return 1.0 / size


def _guess(cameras: Cameras) -> float:
    """Return a thousandth of the distance of the farthest camera from their center: about a millimeter of a stage."""
    centers = cameras.centers
    return float(np.linalg.norm(centers - centers.mean(axis=0), axis=1).max()) / 1000.0


def _in_unit_of_faces(cameras: Cameras) -> Cameras:
    """Return the cameras in a unit near millimeters, so that triangulation has values of usual size."""
    viewmats = cameras.viewmats.copy()
    viewmats[:, :3, 3] /= _guess(cameras)
    return replace(cameras, viewmats=viewmats)


def scaled(cameras: Mapping[str, KrtCamera], millimeters: float) -> list[KrtCamera]:
    """Return cameras with their extrinsics in millimeters.

    Args:
        cameras: Cameras by name, in any unit.
        millimeters: Millimeters per unit.
    """
    return [
        replace(camera, extrinsics=camera.extrinsics * np.array([1.0, 1.0, 1.0, millimeters]))
        for camera in cameras.values()
    ]
