"""A capture for the doctor: a head with detailed skin that turns and stretches, photographed by a z-buffer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.reduced import ReducedFrame, Tracked
from splatrig.doctor.subject import Subject
from splatrig.doctor.verdicts import Verdict, judge
from splatrig.mesh.silhouette import silhouette
from splatrig.tracking.views import depths_of

WIDTH, HEIGHT = 128, 160
EXPRESSIONS, FRAMES, CAMERAS = 3, 4, 6
SCALE = 4
"""The photographs before they were reduced were so many times as large."""


def head() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a closed mesh of 642 vertices, about 220 mm high."""
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=3)
    return np.asarray(sphere.vertices) * [75.0, 110.0, 90.0], np.asarray(sphere.faces, dtype=np.int64)


def cameras() -> Cameras:
    """Return cameras in front of the head, at most 50° to the side, 1 m away."""
    viewmats = []
    for yaw in np.linspace(-50, 50, CAMERAS):
        turn = Rotation.from_euler("yx", [yaw, 180.0], degrees=True).as_matrix()
        viewmats.append(np.block([[turn, np.array([[0.0], [0.0], [1000.0]])], [np.zeros((1, 3)), np.ones((1, 1))]]))
    K = np.array([[600.0, 0.0, 66.0], [0.0, 600.0, 78.0], [0.0, 0.0, 1.0]])
    names = tuple(f"c{index}" for index in range(CAMERAS))
    return Cameras(names, np.array(viewmats), np.tile(K, (CAMERAS, 1, 1)), WIDTH, HEIGHT, np.zeros(CAMERAS, dtype=bool))


def skin(points: NDArray[np.float64]) -> NDArray[np.float64]:  # [..., 3] -> [...]
    """Return the brightness, 0 to 1, of places of the head at rest."""
    generator = np.random.default_rng(3)
    waves = generator.normal(scale=0.25, size=(24, 3))
    return 0.5 + 0.35 * np.tanh(np.sin(points @ waves.T + generator.uniform(0, 6, 24)).sum(axis=-1) / 2)


@dataclass(frozen=True)
class Doctored:
    """The parts of a capture, to be spoiled."""

    subject: Subject
    frames: tuple[ReducedFrame, ...]
    original: tuple[ReducedFrame, ...]
    """The frames before anything was spoiled."""

    @classmethod
    def of(cls, subject: Subject) -> "Doctored":
        """Return a capture with its photographs in memory."""
        frames = tuple(subject.read(frame) for frame in range(len(subject.names)))
        return cls(subject, frames, frames)

    def judged(self, *, masks: bool = True, threads: int = 1) -> list[Verdict]:
        """Return what the doctor says."""
        subject = replace(self.subject, read=lambda frame: self.frames[frame])
        scores, digests = subject.scores(threads)
        return judge(subject, scores, digests, masks=masks)

    def with_photograph(self, frame: int, camera: int, shown: int, *, copied: bool = False) -> "Doctored":
        """Return the capture with a camera's photograph and mask of the frame `shown` in `frame`."""
        one, other = self.frames[frame], self.original[shown]
        grays, mattes, digests = one.grays.copy(), one.mattes.copy(), list(one.digests)
        grays[camera], mattes[camera] = other.grays[camera], other.mattes[camera]
        digests[camera] = other.digests[camera] if copied else f"{camera} of {frame}"
        return self._with_frame(frame, replace(one, grays=grays, mattes=mattes, digests=tuple(digests)))

    def with_mesh(self, frame: int, mesh: Tracked) -> "Doctored":
        """Return the capture with another tracked mesh."""
        tracked = [*self.subject.tracked[:frame], mesh, *self.subject.tracked[frame + 1 :]]
        spoiled = replace(self, subject=replace(self.subject, tracked=tuple(tracked)))
        return spoiled._with_frame(frame, replace(self.frames[frame], meshes=self.frames[frame].meshes | {0: mesh}))

    def with_meshes(self, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> "Doctored":
        """Return the capture with all vertices changed."""

        def of(mesh: Tracked) -> Tracked:
            return replace(mesh, vertices=change(mesh.vertices))

        frames = [replace(f, meshes={side: of(mesh) for side, mesh in f.meshes.items()}) for f in self.frames]
        tracked = tuple(frame.meshes[0] for frame in frames)
        return replace(self, subject=replace(self.subject, tracked=tracked), frames=tuple(frames))

    def with_intrinsics(self, Ks: NDArray[np.float64]) -> "Doctored":
        """Return the capture with another calibration."""
        return replace(self, subject=replace(self.subject, cameras=replace(self.subject.cameras, Ks=Ks)))

    def with_mask(self, frame: int, camera: int, mask: NDArray[np.uint8]) -> "Doctored":
        """Return the capture with another mask."""
        mattes = self.frames[frame].mattes.copy()
        mattes[camera] = mask
        return self._with_frame(frame, replace(self.frames[frame], mattes=mattes))

    def _with_frame(self, number: int, frame: ReducedFrame) -> "Doctored":
        return replace(self, frames=(*self.frames[:number], frame, *self.frames[number + 1 :]))


@cache
def sound() -> Doctored:
    """Return a capture in which all is as it should be."""
    rest, faces = head()
    views, generator = cameras(), np.random.default_rng(0)
    names, tracked, frames = [], [], []
    for expression in range(EXPRESSIONS):
        for number in range(FRAMES):
            turn = Rotation.from_euler("yx", [3.0 * number, 2.0 * expression - number], degrees=True).as_matrix()
            pose = np.column_stack([turn, [2.0 * number, 3.0 * expression, -2.0 * number]])
            stretch = 1 + 0.02 * (number + 1) * np.sin(rest @ [0.0, 0.02, 0.03] + expression)[:, None]
            names.append(f"E{expression}/{number:03d}")
            tracked.append(Tracked(f"{number:03d}", rest * stretch, pose))
    for row, mesh in enumerate(tracked):
        pairs = [_photographed(mesh, rest, faces, views, camera, generator) for camera in range(CAMERAS)]
        sides = [(side, row + side) for side in (-1, 0, 1) if 0 <= row % FRAMES + side < FRAMES]
        frames.append(
            ReducedFrame(
                np.stack([gray for gray, _ in pairs]),
                np.stack([mask for _, mask in pairs]),
                tuple(f"{camera} in {row}" for camera in range(CAMERAS)),
                {side: tracked[other] for side, other in sides},
            )
        )
    subject = Subject(tuple(names), tuple(tracked), views, SCALE * HEIGHT, faces, lambda frame: frames[frame])
    return Doctored.of(subject)


def _photographed(
    mesh: Tracked,
    rest: NDArray[np.float64],
    faces: NDArray[np.int64],
    views: Cameras,
    camera: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a photograph and its mask."""
    in_head = views.in_head_space(mesh.head_to_world)
    P = in_head.Ks[camera] @ in_head.viewmats[camera, :3]
    seen, inside, _ = depths_of(mesh.vertices, faces, P, HEIGHT, WIDTH)
    places = np.einsum("hwc,hwcd->hwd", inside.astype(np.float64), rest[faces[np.maximum(seen, 0)]])
    gray = np.where(seen >= 0, 255 * skin(places), 40.0) + generator.normal(scale=2.0, size=seen.shape)
    mask = silhouette(mesh.vertices, faces, in_head.viewmats[camera], in_head.Ks[camera], WIDTH, HEIGHT)
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8), mask
