"""Check of a capture before anything is fitted: photographs, calibration, tracked mesh and axes must fit together.

Definite faults raise an error that names them if possible: photographs of another size than the calibration's, rotated
axes, another unit. Doubts are returned as sentences.
"""

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError
from splatrig.landmarks.calibration_faults import (
    ON_SURFACE,
    SOLID_MM,
    Agreement,
    Scene,
    agreement,
    camera_to_world,
    find_size,
    mirrored,
    mirrored_world,
    opengl_axes,
)
from splatrig.landmarks.canonical import Similarity, similarity_to
from splatrig.landmarks.locate import camera_weights
from splatrig.landmarks.misplaced import Misplacement, misplacement
from splatrig.mesh.nearest import Surface

_SIZES = (0.5, 2.0)
"""Sizes of heads, including children's, relative to the canonical one; beyond them the unit must be wrong."""
_USUAL_SIZES = (0.75, 1.3)
"""Sizes of heads beyond which a warning names the size."""
_UNITS = {0.001: "meters", 0.01: "centimeters", 0.1: "decimeters", 1 / 25.4: "inches", 1000.0: "micrometers"}
"""Names of units by the length of a millimeter in them."""
_TURNED_DEG, _TILTED_DEG = 45.0, 25.0
"""Rotations of the head from which another axis is nearer, and from which a warning names the head."""
_WHOLLY = 0.93
"""Fraction of agreement from which the calibration is not in question."""
_SHARPER = 0.8
"""Largest ratio of the reprojection errors with and without the right size of photographs."""
_LOST = 0.5
"""Fraction of agreement below which the calibration is not that of the photographs."""
_ODD_CAMERA = 0.3
"""Fraction of agreeing points below which a warning names a frontal camera."""
_WITNESSES = 4
"""Number of frontal cameras that can refute a calibration; fewer only cause a warning."""
_LEFT, _UP, _FORWARD = np.eye(3)
_CENTRAL = (0.3, 0.7)
"""Range of the principal points of whole photographs in widths and heights; Multiface's are at 0.44 to 0.46 and
above."""


def check_scene(scene: Scene, krt: str, image_scale: float = 1.0) -> list[str]:
    """Return a sentence for each doubt about a capture in which at least two cameras see a face.

    `image_scale` is the factor by which the photographs were reduced. Raises InputError, beginning with `krt` or
    `tracked_mesh`, when calibration, photographs, tracked mesh and axes cannot belong together.
    """
    found = agreement(scene)
    if found.cameras_agree:
        similarity = similarity_to(found.located.positions, scene.canonical)
        _check_unit(similarity, f"{krt}: the face that the cameras see")
        off = misplacement(_face(found.located.positions), scene.surface)
        if found.distance_mm <= SOLID_MM and not off.is_real:
            return [*check_axes(similarity), *_odd_cameras(scene, found)]
        if found.distance_mm > SOLID_MM:
            _check_turned_mesh(scene, found)
        if found.agreeing >= _WHOLLY:
            if found.distance_mm > SOLID_MM:
                _check_size(scene, found, krt, image_scale)
            return [*check_axes(similarity), _elsewhere(off)]
    _check_named(scene, krt)
    _check_size(scene, found, krt, image_scale)
    if found.cameras_agree:
        return [_elsewhere(off)]
    return [_strangers(scene, found, krt)]


def check_positions(
    positions: NDArray[np.float64],  # [L, 3] head space, NaN where there is none
    canonical: NDArray[np.float64],  # [L, 3]
    surface: Surface,
    where: str,
) -> list[str]:
    """Return a sentence for each doubt about landmarks that a user provides.

    Raises InputError, beginning with `where`, when they have another unit, other axes or another position.
    """
    there = np.asarray(np.isfinite(positions).all(axis=1))
    similarity = similarity_to(positions, canonical)
    _check_unit(similarity, f"{where}: the face")
    rows = ON_SURFACE[there[ON_SURFACE]]
    distance = float(np.median(surface.nearest(positions[rows])[1])) if len(rows) else 0.0
    if distance > 3 * SOLID_MM:
        raise InputError(
            f"{where}: the landmarks are {distance:.0f} mm away from the neutral's tracked mesh (median), expected "
            f"less than {SOLID_MM:g}; give positions in head space, millimeters, of the neutral frame."
        )
    odd = [f"{where}: the landmarks are {distance:.1f} mm away from the tracked mesh (median)"]
    return [*check_axes(similarity), *(odd if distance > SOLID_MM else [])]


def check_axes(similarity: Similarity) -> list[str]:
    """Return a sentence for each doubt about the direction of a face, given the map from the canonical face to it.

    Raises InputError naming the axes when the face does not look along +z with +y up, or is mirrored.
    """
    angle = _angle_deg(similarity.turn)
    if similarity.is_mirrored or angle > _TURNED_DEG:
        raise InputError(_axes_sentence(similarity.turn, "rotate tracked meshes (.bin) and poses"))
    odd = []
    if angle > _TILTED_DEG:
        odd.append(f"tracked_mesh: in head space the neutral's face is turned by {angle:.0f}° against the axes")
    if not _USUAL_SIZES[0] <= similarity.scale <= _USUAL_SIZES[1]:
        odd.append(f"tracked_mesh: the face is {similarity.scale:.2f} times as large as an average one; is it in mm?")
    return odd


def off_center(cameras: Cameras) -> list[str]:
    """Return a sentence if the principal points cannot be those of whole photographs; for captures without a face."""
    places = cameras.Ks[:, :2, 2] / [cameras.width, cameras.height]
    middle = np.median(places, axis=0)
    if ((middle >= _CENTRAL[0]) & (middle <= _CENTRAL[1])).all():
        return []
    return [
        f"KRT: camera {cameras.names[0]}: the principal point is at {places[0, 0]:.2f} of the width and "
        f"{places[0, 1]:.2f} of the height of the photographs, of all cameras at {middle[0]:.2f} and {middle[1]:.2f} "
        f"(median): the calibration looks like one for photographs {2 * float(middle.mean()):.2g} times as large"
    ]


def _check_unit(similarity: Similarity, what: str) -> None:
    """Raise InputError if a head cannot have this size in millimeters."""
    if _SIZES[0] <= similarity.scale <= _SIZES[1]:
        return
    unit = min(_UNITS, key=lambda factor: abs(np.log(similarity.scale / factor)))
    alike = abs(np.log(similarity.scale / unit)) < np.log(_SIZES[1])
    advice = f"it looks like {_UNITS[unit]}, multiply by {1 / unit:.4g}" if alike else "scale it to millimeters"
    raise InputError(
        f"{what} is {similarity.scale:.3g} times as large as an average one in millimeters: its lengths are in another "
        f"unit than millimeters; {advice}."
    )


def _check_turned_mesh(scene: Scene, found: Agreement) -> None:
    """Raise InputError if the axes of the tracked mesh alone differ from those of the head in the photographs."""
    points = _face(found.located.positions)
    turns = [
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    ]
    distances = [float(np.median(scene.surface.nearest(points @ turn.T)[1])) for turn in turns]
    for determinant in (1.0, -1.0):  # faces are nearly symmetric: mirrored only if no rotation fits
        rows = [row for row, turn in enumerate(turns) if np.linalg.det(turn) * determinant > 0]
        best = min(rows, key=lambda row: distances[row])
        if distances[best] <= SOLID_MM:
            raise InputError(_axes_sentence(turns[best], "rotate the tracked meshes (.obj, .bin), or else the poses"))


def _axes_sentence(turn: NDArray[np.float64], advice: str) -> str:
    """Return a sentence with the axes of a face whose left, up and front `turn` [3, 3] maps from +x, +y and +z."""
    left, up, forward = (_axis_name(turn @ axis) for axis in (_LEFT, _UP, _FORWARD))
    mirror = " (it is mirrored against the photographs)" if np.linalg.det(turn) < 0 else ""
    return (
        f"tracked_mesh: in head space the subject's left is {left}, up is {up} and the face looks along {forward}"
        f"{mirror}; expected left +x, up +y and the face along +z (docs/captures.md, Axes); {advice}."
    )


def _axis_name(direction: NDArray[np.float64]) -> str:
    """Return the name of the axis that is nearest to a direction, such as `+z`."""
    axis = int(np.abs(direction).argmax())
    return f"{'+' if direction[axis] > 0 else '-'}{'xyz'[axis]}"


def _angle_deg(turn: NDArray[np.float64]) -> float:
    """Return the larger of the angles of up and front to their axes, in degrees."""
    cosines = [float(axis @ turn @ axis) for axis in (_UP, _FORWARD)]
    return float(np.degrees(np.arccos(np.clip(min(cosines), -1.0, 1.0))))


def _check_named(scene: Scene, krt: str) -> None:
    """Raise InputError with the name of the fault under whose hypothesis all agree; return if there is none."""
    if agreement(mirrored(scene)).holds:
        raise InputError(
            f"{krt}: the photographs are mirrored, left to right, against the calibration: mirrored back, cameras and "
            "tracked mesh agree; mirror the photographs (the subject's left is on the right of the image)."
        )
    if agreement(mirrored_world(scene)).holds:
        raise InputError(
            f"{krt}: cameras, poses and tracked meshes are mirrored against the photographs; change the sign of one "
            "axis of the world and of head space in KRT, poses and meshes."
        )
    if agreement(camera_to_world(scene)).holds:
        raise InputError(
            f"{krt}: the extrinsics go from camera to world, expected world to camera: inverted, cameras and tracked "
            "mesh agree; write [Rᵀ | -Rᵀ t]."
        )
    if agreement(opengl_axes(scene)).holds:
        raise InputError(
            f"{krt}: the cameras look along -z with y up (OpenGL), expected OpenCV's axes (x right, y down, z forward):"
            " converted, cameras and tracked mesh agree; change the sign of the last two rows of the extrinsics."
        )


def _check_size(scene: Scene, found: Agreement, krt: str, image_scale: float) -> None:
    """Raise InputError if the photographs are resized or cropped: if all agree once that is undone.

    If the cameras agree without that, a misplaced mesh could be the cause, too; then the correction must make the
    cameras agree better.
    """
    size = find_size(scene)
    height = scene.cameras.height
    undone = agreement(size.undone(scene))
    better = found.agreeing < _WHOLLY or undone.error < _SHARPER * found.error
    if not (size.differs(height) and undone.holds and better):
        return
    camera = int(camera_weights(scene.seen, scene.canonical).argmax())
    cameras = scene.cameras
    (cx, cy), (dx, dy) = cameras.Ks[camera, :2, 2] / image_scale, size.shift / image_scale
    at = (
        f"{krt}: camera {cameras.names[camera]}: principal point ({cx:.1f}, {cy:.1f}) in photographs of "
        f"{round(cameras.width / image_scale)}×{round(height / image_scale)} pixels: "
    )
    resized = f"the calibration is for photographs {1 / size.factor:.3g} times as large"
    cropped = f"the photographs are cropped: the calibration's first pixel would be at ({dx:.0f}, {dy:.0f}) of them"
    factor, shift = f"multiply fx, fy, cx and cy by {size.factor:.4g}", f"add {dx:.1f} to cx and {dy:.1f} to cy"
    is_resized, is_shifted = size.differs_in_size, size.differs_in_place(height)
    faults = [text for text, holds in ((resized, is_resized), (cropped, is_shifted)) if holds]
    mends = [text for text, holds in ((factor, is_resized), (shift, is_shifted)) if holds]
    raise InputError(
        f"{at}{', and '.join(faults)}; give the photographs that were calibrated, or {', then '.join(mends)}, of every "
        "camera."
    )


def _strangers(scene: Scene, found: Agreement, krt: str) -> str:
    """Return the doubt about a calibration that contradicts the photographs without a known fault.

    Raises InputError with that sentence if the cameras leave no doubt.
    """
    witnesses = int(np.count_nonzero(camera_weights(scene.seen, scene.canonical)))
    sentence = (
        f"{krt}: only {100 * found.agreeing:.0f} % of what {witnesses} cameras see of the face agrees, expected "
        "90 % and more: the calibration is not that of these photographs (of another subject or day, or under "
        "other cameras' names), or the cameras did not expose at the same time"
    )
    if found.agreeing < _LOST and witnesses >= _WITNESSES:
        raise InputError(f"{sentence}; provide the KRT that belongs to them.")
    return sentence


def _elsewhere(off: Misplacement) -> str:
    """Return the doubt about a tracked mesh that is not where the cameras see the face.

    Raises InputError with that sentence if the two are far apart.
    """
    sentence = (
        f"tracked_mesh: the face that the cameras see is {off.before_mm:.1f} mm away from the neutral's tracked mesh "
        f"(median, expected about 1), moved by {off.millimetres:.0f} mm and turned by {off.degrees:.0f}°: mesh or pose "
        "is of another frame or subject, KRT is of another day, or the photographs are resized or cropped"
    )
    if off.before_mm > SOLID_MM:
        raise InputError(f"{sentence}; provide those that belong together.")
    return sentence


def _face(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return those of the points [L, 3] that lie on the tracked mesh and were found."""
    points = positions[ON_SURFACE]
    return points[np.isfinite(points).all(axis=1)]


def _odd_cameras(scene: Scene, found: Agreement) -> list[str]:
    """Return a sentence that names the frontal cameras that disagree with the others."""
    weights = camera_weights(scene.seen, scene.canonical)
    agreeing = found.located.inliers.sum(axis=1) / np.maximum(np.isfinite(scene.seen[..., 0]).sum(axis=1), 1)
    names = [
        name
        for name, weight, fraction in zip(scene.cameras.names, weights, agreeing, strict=True)
        if weight >= 0.5 and fraction < _ODD_CAMERA
    ]
    if not names:
        return []
    return [
        f"camera {', '.join(names)}: sees the neutral's face elsewhere than the other cameras do; its calibration, or "
        "the moment of its photograph, is another"
    ]
