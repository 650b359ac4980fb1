"""The neutral head of a person: its pose in the first frame of the neutral's segment, and its shape."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.demo.head import HeadModel, refine
from splatrig.capture.demo.tracked import TrackedMesh, build_tracked_mesh
from splatrig.config.checks import FEWEST_TRACKING_CAMERAS
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import to_head, to_world
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.landmarks.canonical import similarity_to
from splatrig.landmarks.locate import locate
from splatrig.tracking.faces import SegmentFaces, locate_lids
from splatrig.tracking.landmark_pose import FEWEST, POSE_WEIGHTS, FaceState, rigid_motion_to
from splatrig.tracking.photometric import aligned, camera_shifts, reference_of
from splatrig.tracking.rendered import rendered_reference
from splatrig.tracking.shots import Shots, tracking_cameras
from splatrig.tracking.stereo import refined_neutral
from splatrig.tracking.template_head import TemplateHead, laid_over
from splatrig.tracking.views import Band, band_passed

SCALES = (3.0, 1.5, 0.8)
"""Standard deviations in pixels of the scales at which photographs are compared, coarse to fine."""
STEP = 4
"""Spacing of the compared pixels in both directions."""
STEREO_SCALE = 0.6
STEREO_FRAMES = 2
"""Number of frames of the neutral's segment that stereo uses."""
LID_FRAMES = 5
"""Number of frames, spread over the neutral's segment, from which the lids at rest are taken."""
OUTLIER_MM, OUTLIER_RATIO, OUTLIER_ROUNDS = 15.0, 4.0, 5
"""Distance of a landmark from the template's, and ratio to the median distance, beyond which it is an outlier."""
FEWEST_TO_JUDGE = 3
"""Number of cameras up to which none is judged, since of three nobody can tell which is wrong."""
SHIFTED_PX, SHIFTED_RATIO = 0.8, 4.0
"""Shift of a camera's view of the head in pixels, and ratio to the lower quartile of all cameras, beyond which the
camera is wrong."""

Bands = Mapping[float, Sequence[Band | None]]
"""Photographs of a frame at several scales; None for cameras without one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NeutralHead:
    """A person's neutral head, and the frame with which others are compared."""

    head: TemplateHead
    pose: NDArray[np.float64]  # [3, 4]
    """Head space to world in the reference frame."""
    frame: str
    """Name of the reference frame, the first of the neutral's segment."""
    lids: NDArray[np.float64]  # [M, 3]
    """Points of the lids at rest according to the network, in head space; NaN where it does not see them."""
    wrong: tuple[str, ...]
    """Cameras that disagree with the others about the position of the head."""
    mesh: TrackedMesh
    """The closed mesh that is exported, as a map from the template's vertices."""


def head_space(
    faces: SegmentFaces, cameras: Cameras, canonical: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pose [3, 4] of the first frame's head space, and the landmarks of the neutral in it [L, 3].

    Head space has the axes of the template: x to the head's left, y up, z out of the face. Landmarks are medians over
    the frames of the neutral's segment, each aligned with the first. Raises InputError if too few cameras see the face.
    """
    found = [locate(cameras, faces.of(frame, cameras), canonical).positions for frame in faces.frames]
    known = [int(np.isfinite(points[:, 0]).sum()) for points in found]
    if known[0] < FEWEST:
        raise InputError(
            f"frame {faces.frames[0]} of the neutral: {known[0]} points of the face were found by two cameras or more, "
            f"expected at least {FEWEST}; its first frame must show the neutral face to two cameras in front of it."
        )
    found = [_without_outliers(points, canonical) for points in found]
    similarity = similarity_to(found[0], canonical)
    if similarity.is_mirrored:
        raise InputError(
            f"frame {faces.frames[0]} of the neutral: the face is mirrored (left is right); check the calibration's "
            "axes (x right, y down, z forward), and that photographs are not flipped."
        )
    pose = np.column_stack([similarity.turn, similarity.shift])
    landmarks = to_head(found[0], pose)
    poses = [pose for _ in found]
    for _ in range(3):
        laid = []
        for number, points in enumerate(found):
            there = np.isfinite(points[:, 0]) & np.isfinite(landmarks[:, 0])
            if there.sum() < FEWEST:
                continue
            if number:
                poses[number] = rigid_motion_to(landmarks[there], points[there], POSE_WEIGHTS[there])
            laid.append((points - poses[number][:, 3]) @ poses[number][:, :3])
        landmarks = np.ma.median(np.ma.masked_invalid(laid), axis=0).filled(np.nan)
    return pose, landmarks


def _without_outliers(points: NDArray[np.float64], canonical: NDArray[np.float64]) -> NDArray[np.float64]:  # [L, 3]
    """Return the points of a face, with NaN for outliers, which are far from the aligned template."""
    kept = points.copy()
    for _ in range(OUTLIER_ROUNDS):
        if np.isfinite(kept[:, 0]).sum() < FEWEST:
            break
        misses = np.linalg.norm(similarity_to(kept, canonical).of(canonical) - points, axis=1)
        limit = max(OUTLIER_MM, OUTLIER_RATIO * float(np.nanmedian(misses)))
        kept = np.where((misses < limit)[:, None], points, np.nan)
    return kept


def find_neutral(
    template: TemplateHead, model: HeadModel, shots: Shots, faces: SegmentFaces, mesh_vertices: int
) -> NeutralHead:
    """Return the neutral of a person from the photographs of the neutral's segment and the faces in them.

    Args:
        template: The template head.
        model: Model of the template, from which the closed tracked mesh is built.
        shots: Photographs of the neutral's segment.
        faces: Faces in these photographs.
        mesh_vertices: Number of vertices of the closed mesh that is exported.

    Returns:
        The neutral head.
    """
    cameras = shots.cameras
    pose, landmarks = head_space(faces, cameras, template.landmarks)
    head = laid_over(template, landmarks)
    cameras = tracking_cameras(cameras, pose[:, 3])
    shots = replace(shots, size=(cameras.width, cameras.height))
    names = list(faces.frames[:STEREO_FRAMES])
    gray = [shots.gray(frame) for frame in names]
    rest = FaceState(pose, np.zeros(len(head.names)))

    def states(
        head: TemplateHead, used: NDArray[np.bool_], others: Iterable[list[NDArray[np.float32] | None]]
    ) -> list[FaceState]:
        reference = reference_of(_only(gray[0], used), to_world(head.vertices, pose), head.faces, cameras, SCALES, STEP)
        result = [rest]
        for images in others:
            bands = bands_of(_only(images, used), SCALES)
            there = reference.of_cameras(np.array([band is not None for band in bands[SCALES[0]]]))
            result.append(aligned(rest, head, there, bands, cameras, scales=SCALES)[0])
        return result

    used = np.array([image is not None for image in gray[0]])
    if used.sum() < FEWEST_TRACKING_CAMERAS:
        raise InputError(
            f"{shots.segment}: frame {names[0]} has photographs of {int(used.sum())} training cameras, expected two or "
            "more: one camera does not tell how far away a face is."
        )
    rough = head
    for attempt in range(2):
        posed = states(rough, used, gray[1:])
        fine = [
            [None if image is None else band_passed(image, STEREO_SCALE) for image in _only(images, used)]
            for images in gray
        ]
        head = refined_neutral(rough, list(zip(posed, fine, strict=True)), cameras)
        wrong = disagreeing(gray[0], head, rest, cameras, used)
        if attempt or not wrong.any():
            break
        used &= ~wrong
    bad = tuple(name for name, other in zip(cameras.names, used, strict=True) if not other)
    surface = (refine(model).operator @ model.neutral)[: len(model.neutral)]
    rows = np.unique(np.linspace(0, len(faces.frames) - 1, LID_FRAMES).round().astype(int))
    names = [faces.frames[row] for row in rows]
    poses = [state.pose for state in states(head, used, (shots.gray(name) for name in names[1:]))]
    lids = lids_at_rest(faces, names, poses, shots.cameras, template.landmarks)
    return NeutralHead(head, pose, faces.frames[0], lids, bad, build_tracked_mesh(model, surface, mesh_vertices))


def lids_at_rest(
    faces: SegmentFaces,
    frames: Sequence[str],
    poses: Sequence[NDArray[np.float64]],  # [3, 4] of each frame
    cameras: Cameras,
    canonical: NDArray[np.float64],  # [L, 3]
) -> NDArray[np.float64]:  # [M, 3]
    """Return the points of the lids in head space according to the network, as medians over frames.

    An error of half a millimeter in a single neutral frame would open or close the eyes of all other frames.
    """
    found = [
        to_head(locate_lids(faces, frame, cameras, canonical), pose) for frame, pose in zip(frames, poses, strict=True)
    ]
    return np.ma.median(np.ma.masked_invalid(found), axis=0).filled(np.nan)


def disagreeing(
    gray: Sequence[NDArray[np.float32] | None],
    head: TemplateHead,
    rest: FaceState,
    cameras: Cameras,
    used: NDArray[np.bool_],  # [C]
) -> NDArray[np.bool_]:  # [C]
    """Return the cameras that show the neutral elsewhere than the others do, and name them in the log.

    A wrong camera shifts the estimate of its neighbors, too. So the shifted cameras are removed one at a time: first
    the one without which the others agree best, until none is shifted.
    """
    wrong = np.zeros(len(cameras), dtype=bool)
    shifts = _shifts(gray, head, rest, cameras, used)
    logger.info(
        "shift of the neutral in each camera against the others, pixels: %s",
        ", ".join(f"{name} {shift:.2f}" for name, shift in zip(cameras.names, shifts, strict=True)),
    )
    while (used & ~wrong).sum() > FEWEST_TO_JUDGE and shifts[used & ~wrong].max() > _limit(shifts[used & ~wrong]):
        left = used & ~wrong
        accused = [camera for camera in np.flatnonzero(left) if shifts[camera] > _limit(shifts[left])]
        without = {}
        for camera in accused:
            others = left & (np.arange(len(cameras)) != camera)
            without[camera] = _shifts(gray, head, rest, cameras, others)
        worst = min(without, key=lambda camera: float(np.nansum(without[camera])))
        logger.warning(
            "camera %s shows the neutral %.1f pixels (of %d×%d) from where the others do: its calibration or its "
            "photograph is wrong; it does not track, and capture.cameras should leave it out",
            *(cameras.names[worst], shifts[worst], cameras.width, cameras.height),
        )
        wrong[worst], shifts = True, without[worst]
    return wrong


def _limit(shifts: NDArray[np.float64]) -> float:
    """Return the shift above which a camera is wrong; a wrong one shifts its neighbors, but not all others."""
    return max(SHIFTED_PX, SHIFTED_RATIO * float(np.quantile(shifts, 0.25)))


def _shifts(
    gray: Sequence[NDArray[np.float32] | None],
    head: TemplateHead,
    rest: FaceState,
    cameras: Cameras,
    used: NDArray[np.bool_],
) -> NDArray[np.float64]:  # [C]
    """Return the shift in pixels of each camera's neutral relative to the other cameras; 0 for those not used."""
    images = _only(gray, used)
    reference = rendered_reference(images, rest.pose, head, rest, cameras, SCALES, STEP, used, from_others=True)
    posed = to_world(head.vertices, rest.pose)
    return np.nan_to_num(
        np.linalg.norm(camera_shifts(posed, head.faces, reference, bands_of(images, SCALES), cameras, SCALES), axis=1)
    )


def bands_of(images: Sequence[NDArray[np.float32] | None], scales: Sequence[float]) -> Bands:
    """Return a frame's photographs at several scales."""
    return {scale: [None if image is None else Band.of(image, scale) for image in images] for scale in scales}


def _only(images: Sequence[NDArray[np.float32] | None], used: NDArray[np.bool_]) -> list[NDArray[np.float32] | None]:
    """Return the photographs of the used cameras; None for the others."""
    return [image if there else None for image, there in zip(images, used, strict=True)]


def write_neutral(path: str | Path, neutral: NeutralHead) -> None:
    """Write a neutral head as a compressed .npz.

    Args:
        path: The file to write.
        neutral: The head.
    """
    carrier, head = neutral.mesh.carrier.tocoo(), neutral.head
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            vertices=head.vertices,
            faces=head.faces,
            names=np.array(head.names),
            shapes=head.shapes.astype(np.float32),
            landmarks=head.landmarks,
            pose=neutral.pose,
            frame=np.array(neutral.frame),
            lids=neutral.lids,
            wrong=np.array(neutral.wrong, dtype=str),
            carrier_rows=carrier.row,
            carrier_columns=carrier.col,
            carrier_values=carrier.data,
            offsets=neutral.mesh.offsets,
            mesh_faces=neutral.mesh.faces,
            mesh_uvs=neutral.mesh.uvs,
            mesh_face_uvs=neutral.mesh.face_uvs,
        )


def read_neutral(path: str | Path) -> NeutralHead:
    """Read a neutral head that `write_neutral` wrote."""
    import scipy.sparse as sp

    with np.load(path) as data:
        shape = len(data["offsets"]), len(data["vertices"])
        carrier = sp.csr_matrix((data["carrier_values"], (data["carrier_rows"], data["carrier_columns"])), shape=shape)
        return NeutralHead(
            head=TemplateHead(
                vertices=data["vertices"],
                faces=data["faces"],
                names=tuple(data["names"].tolist()),
                shapes=data["shapes"].astype(np.float64),
                landmarks=data["landmarks"],
            ),
            pose=data["pose"],
            frame=str(data["frame"]),
            lids=data["lids"],
            wrong=tuple(data["wrong"].tolist()),
            mesh=TrackedMesh(carrier, data["offsets"], data["mesh_faces"], data["mesh_uvs"], data["mesh_face_uvs"]),
        )
