"""Tracker of the frames of one segment: pose, blendshape weights and a free displacement of each."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splatrig.config.checks import FEWEST_TRACKING_CAMERAS
from splatrig.dataset.pose import to_world
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.landmarks.locate import locate
from splatrig.landmarks.triangulate import project, projections
from splatrig.tracking.displacement import DisplacementSolver
from splatrig.tracking.faces import LID_ROWS, SegmentFaces, locate_lids
from splatrig.tracking.landmark_pose import FaceState, state_from_landmarks
from splatrig.tracking.neutral import SCALES, STEP, Bands, NeutralHead, bands_of
from splatrig.tracking.photometric import LidTerm, Reference, aligned, camera_agreement, camera_shifts, reference_of
from splatrig.tracking.rendered import TURNED_DEG, rendered_reference, turn_between
from splatrig.tracking.shots import Shots, tracking_cameras
from splatrig.tracking.template_head import TemplateHead

LATE_PX, LATE_RATIO = 1.5, 4.0
"""Shift of a camera's view of the head in pixels, and ratio to the median camera's, beyond which the camera took its
photograph at another time, or is wrong."""
DOUBTFUL, IMPOSSIBLE = 0.65, 0.5
"""Agreement of a frame's photographs with the head below which a warning names it, and below which it is left out."""
RERENDERED = 2
"""Maximum number of times that a reference is rendered for a head that has rotated."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrackedShot:
    """Result of tracking one frame."""

    frame: str
    state: FaceState
    vertices: NDArray[np.float64]  # [n, 3]
    """Vertices of the template in head space, millimeters."""
    agreement: float
    """Agreement of the photographs with the head, 0 to 1; noise and motion independent of the skin keep it below 1."""
    landmark_px: float
    """Median distance in pixels of the data set between landmarks in photographs and on the tracked head; NaN without
    any."""
    turned_deg: float
    """Rotation relative to the neutral."""
    cameras: tuple[str, ...]
    """Cameras that tracked the frame."""
    disagreeing: tuple[str, ...]
    """Cameras that have a photograph of the frame and disagree with the others."""

    @property
    def is_possible(self) -> bool:
        """Whether the photographs agree with the head at all."""
        return self.agreement >= IMPOSSIBLE


class SegmentTracker:
    """Tracker of the frames of a person whose neutral is known."""

    def __init__(self, neutral: NeutralHead, reference: Shots, canonical: NDArray[np.float64]) -> None:
        """Read the photographs of the reference frame; `reference` are those of the neutral's segment.

        `canonical` [L, 3] are the template's landmarks.
        """
        self._neutral, self._canonical, self._dataset_cameras = neutral, canonical, reference.cameras
        self._reference_segment = reference.segment
        self._cameras = tracking_cameras(reference.cameras, neutral.pose[:, 3])
        self.size = self._cameras.width, self._cameras.height
        images = replace(reference, size=self.size).gray(neutral.frame)
        wrong = [name in neutral.wrong for name in self._cameras.names]
        self._gray = [None if bad else image for image, bad in zip(images, wrong, strict=True)]
        head = neutral.head
        rest = to_world(head.vertices, neutral.pose)
        self._reference = reference_of(self._gray, rest, head.faces, self._cameras, SCALES, STEP)
        self._landmark_shapes = head.landmark_shapes()
        self._solver = DisplacementSolver(head, self._cameras)

    def track(self, shots: Shots, faces: SegmentFaces) -> Iterator[TrackedShot]:
        """Yield the frames of a segment in time order, including those that cannot be right.

        The reference frame is at rest by definition: it is not searched.
        """
        shots = replace(shots, size=self.size)
        rest = FaceState(self._neutral.pose, np.zeros(len(self._neutral.head.names)))
        before = rest
        for frame in track(shots.frames, shots.segment, unit="frame", total=len(shots.frames)):
            if (shots.segment, frame) == (self._reference_segment, self._neutral.frame):
                before = rest
                yield self._reference_shot(faces)
                continue
            points = locate(self._dataset_cameras, faces.of(frame, self._dataset_cameras), self._canonical).positions
            lids = locate_lids(faces, frame, self._dataset_cameras, self._canonical)
            points = self._with_lids(points, lids, before.pose)
            start = state_from_landmarks(points, self._neutral.head.landmarks, self._landmark_shapes, before)
            term = LidTerm.of(lids, self._neutral.lids, self._landmark_shapes[:, LID_ROWS])
            shot = self._one(shots, frame, start, faces.of(frame, self._dataset_cameras), term)
            before = shot.state if shot.is_possible else rest
            _say(shots.segment, shot)
            yield shot

    def _with_lids(
        self, points: NDArray[np.float64], lids: NDArray[np.float64], pose: NDArray[np.float64]
    ) -> NDArray[np.float64]:  # [L, 3]
        """Return landmarks whose lids move as `lids` [M, 3] have moved since the neutral, if these were found."""
        apart = (self._neutral.head.landmarks[LID_ROWS] - self._neutral.lids) @ pose[:, :3].T
        moved = lids + apart
        result = points.copy()
        result[LID_ROWS] = np.where(np.isfinite(moved), moved, points[LID_ROWS])
        return result

    def _reference_shot(self, faces: SegmentFaces) -> TrackedShot:
        """Return the reference frame itself: the neutral, at rest."""
        neutral = self._neutral
        state = FaceState(neutral.pose, np.zeros(len(neutral.head.names)))
        names = tuple(name for name, image in zip(self._cameras.names, self._gray, strict=True) if image is not None)
        px = self._landmark_px(state, faces.of(neutral.frame, self._dataset_cameras))
        return TrackedShot(neutral.frame, state, neutral.head.vertices, 1.0, px, 0.0, names, neutral.wrong)

    def _one(self, shots: Shots, frame: str, start: FaceState, seen: NDArray[np.float64], lids: LidTerm) -> TrackedShot:
        gray = [image if own is not None else None for image, own in zip(shots.gray(frame), self._gray, strict=True)]
        there = np.array([image is not None for image in gray])
        if there.sum() < FEWEST_TRACKING_CAMERAS:
            raise InputError(
                f"{shots.layout.root}/images/{shots.segment}: frame {frame} has photographs of {int(there.sum())} "
                "training cameras that tracked the neutral, expected two or more: one camera does not tell how far "
                "away a face is; remove the frame, or add photographs of it."
            )
        head, bands = self._neutral.head, bands_of(gray, SCALES)
        state, reference = self._posed(start, bands, there)
        late = self._late(state, reference, bands)
        if late.any() and (there & ~late).sum() >= FEWEST_TRACKING_CAMERAS:
            there = there & ~late
            state, reference = self._posed(start, bands, there)
        state, _ = aligned(state, head, reference, bands, self._cameras, scales=SCALES, lids=lids)
        vertices = head.posed(state.weights) + self._solver.solve(state, reference, bands, SCALES)
        world = to_world(vertices, state.pose)
        scale = SCALES[-1]
        agreement = camera_agreement(world, head.faces, reference, bands[scale], self._cameras, scale)
        names = np.array(self._cameras.names)
        return TrackedShot(
            frame=frame,
            state=state,
            vertices=vertices,
            agreement=float(np.nanmean(agreement)),
            landmark_px=self._landmark_px(state, seen),
            turned_deg=turn_between(self._neutral.pose, state.pose),
            cameras=tuple(names[there].tolist()),
            disagreeing=tuple(names[late].tolist()),
        )

    def _posed(self, start: FaceState, bands: Bands, there: NDArray[np.bool_]) -> tuple[FaceState, Reference]:
        """Return the state with the pose that best agrees with the photographs of some cameras, and its reference."""
        head, state = self._neutral.head, start
        own = self._reference.of_cameras(there)
        reference, rendered_at = own, self._neutral.pose
        for _ in range(1 + RERENDERED):
            if turn_between(rendered_at, state.pose) > TURNED_DEG:
                reference, rendered_at = self._rendered(state, there), state.pose
            state, _ = aligned(state, head, reference, bands, self._cameras, scales=SCALES)
            if turn_between(rendered_at, state.pose) <= TURNED_DEG:
                break
        return state, reference

    def _rendered(self, state: FaceState, there: NDArray[np.bool_]) -> Reference:
        return rendered_reference(
            self._gray, self._neutral.pose, self._neutral.head, state, self._cameras, SCALES, STEP, there
        )

    def _late(self, state: FaceState, reference: Reference, bands: Bands) -> NDArray[np.bool_]:  # [C]
        """Return the cameras that show the head elsewhere than the others do."""
        head = self._neutral.head
        world = to_world(head.posed(state.weights), state.pose)
        shifts = camera_shifts(world, head.faces, reference, bands, self._cameras, SCALES)
        lengths = np.linalg.norm(shifts, axis=1)
        if np.isfinite(lengths).sum() < 4:  # with three cameras the wrong one cannot be determined
            return np.zeros(len(lengths), dtype=bool)
        return np.nan_to_num(lengths) > max(LATE_PX, LATE_RATIO * float(np.nanmedian(lengths)))

    def _landmark_px(self, state: FaceState, seen: NDArray[np.float64]) -> float:
        head: TemplateHead = self._neutral.head
        points = head.landmarks + np.tensordot(state.weights, self._landmark_shapes, 1)
        projected = project(projections(self._dataset_cameras), to_world(points, state.pose))
        misses = np.linalg.norm(projected - seen, axis=2)
        return float(np.nanmedian(misses)) if np.isfinite(misses).any() else float("nan")


def _say(segment: str, shot: TrackedShot) -> None:
    """Log the disagreements of a frame."""
    if shot.disagreeing:
        logger.warning(
            "%s/%s: camera %s shows the head elsewhere than the others do: it took its photograph at another time, or "
            "its calibration is wrong; it did not track this frame",
            *(segment, shot.frame, ", ".join(shot.disagreeing)),
        )
    if not shot.is_possible:
        logger.warning(
            "%s/%s: the photographs agree with the head to %.2f, expected %.2f or more: the frame gets no tracked mesh",
            *(segment, shot.frame, shot.agreement, IMPOSSIBLE),
        )
    elif shot.agreement < DOUBTFUL:
        logger.warning(
            "%s/%s: the photographs agree with the head to %.2f only (%.2f is usual): look at the frame",
            *(segment, shot.frame, shot.agreement, DOUBTFUL),
        )
