"""The three-dimensional part of the page: splats, the surface that the pointer takes hold of, pins, the camera."""

from collections.abc import Callable
from typing import Any

import numpy as np
import viser
from numpy.typing import NDArray
from viser.transforms import SO3

from splatrig.capture.cameras import Cameras
from splatrig.control.viewer.splats import Splats
from splatrig.mesh.template import Template

SCALE = 0.01
"""Scene units a millimetre: the browser's near and far planes suit a head of a few units."""

INSET_MM = 4.0
"""The surface for the pointer lies this far below the skin, so that it never hides a splat."""

START_MM = 620.0
"""Distance of the first view from the middle of the head."""

FOV_DEGREES = 30.0

PIN_COLOR, HELD_COLOR = (80, 200, 255), (255, 160, 40)


class Stage:
    """What is shown, in millimetres of head space; viser's units stay inside."""

    def __init__(self, server: viser.ViserServer, means: NDArray[np.float32], template: Template) -> None:
        """Look at a head whose Gaussians lie at `means` [N, 3] from the front."""
        self._server = server
        self._splats: dict[str, viser.GaussianSplatHandle] = {}
        self._surface: viser.MeshHandle | None = None
        self._template = template
        self._marks: list[Any] = []
        center = np.median(means, axis=0).astype(np.float64)
        self.width_mm = float(np.ptp(means[:, 0]))
        server.scene.set_up_direction("+y")
        server.scene.world_axes.visible = False
        server.initial_camera.look_at = center * SCALE
        server.initial_camera.position = (center + np.array([0.0, 0.0, START_MM])) * SCALE
        server.initial_camera.fov = np.radians(FOV_DEGREES)

    def show(self, name: str, splats: Splats, offset_mm: float = 0.0) -> None:
        """Show or update one head, moved sideways by `offset_mm`; all of it arrives as one change."""
        handle = self._splats.get(name)
        if handle is None:
            self._splats[name] = self._server.scene.add_gaussian_splats(
                f"/{name}",
                centers=splats.centers,
                covariances=splats.covariances,
                rgbs=splats.rgbs,
                opacities=splats.opacities,
                scale=SCALE,
                position=(offset_mm * SCALE, 0.0, 0.0),
            )
            return
        handle.position = (offset_mm * SCALE, 0.0, 0.0)
        handle.set_gaussians(splats.centers, splats.covariances, splats.rgbs, splats.opacities)

    def hide(self, name: str) -> None:
        """Take one head away."""
        handle = self._splats.pop(name, None)
        if handle is not None:
            handle.remove()

    def hold_surface(self, means: NDArray[np.float32], callback: Callable[..., Any]) -> None:
        """Let the pointer take hold of the head: `callback` gets viser's drag events, in scene units."""
        self.release_surface()
        vertices, faces = self._below(means)
        self._surface = self._server.scene.add_mesh_simple(
            "/surface", vertices, faces, opacity=0.0, scale=SCALE, cast_shadow=False, receive_shadow=False
        )
        self._surface.on_drag(callback)

    def move_surface(self, means: NDArray[np.float32]) -> None:
        """Let the surface follow the pose."""
        if self._surface is not None:
            self._surface.vertices = self._below(means)[0]

    def release_surface(self) -> None:
        """Let the pointer turn the view again wherever it is."""
        if self._surface is not None:
            self._surface.remove()
            self._surface = None

    def _below(self, means: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        level = next(iter(self._template.levels.values()))
        vertices = means[: len(level.vertices)].astype(np.float64)
        inward = vertices - vertices.mean(axis=0)
        length = np.linalg.norm(inward, axis=1, keepdims=True)
        return (vertices - INSET_MM * inward / np.maximum(length, 1e-9)).astype(np.float32), level.faces

    def mark(self, pins: NDArray[np.float64], held: NDArray[np.float64] | None) -> None:
        """Show pins [P, 3] and the point that is held [3] as small balls."""
        for handle in self._marks:
            handle.remove()
        places = [(place, PIN_COLOR) for place in pins] + ([] if held is None else [(held, HELD_COLOR)])
        self._marks = [
            self._server.scene.add_icosphere(
                f"/marks/{number}", radius=2.0 * SCALE, color=color, subdivisions=2, position=tuple(place * SCALE)
            )
            for number, (place, color) in enumerate(places)
        ]

    def eye(self, client: viser.ClientHandle) -> NDArray[np.float64]:  # [3]
        """Return where a visitor looks from."""
        return np.asarray(client.camera.position, dtype=np.float64) / SCALE

    def look_through(self, client: viser.ClientHandle, cameras: Cameras) -> None:
        """Put a visitor where the first of `cameras` (from head space) was, with its opening angle."""
        viewmat = cameras.viewmats[0]
        position = -viewmat[:3, :3].T @ viewmat[:3, 3]
        with client.atomic():
            client.camera.wxyz = SO3.from_matrix(viewmat[:3, :3].T).wxyz
            client.camera.position = position * SCALE
            client.camera.fov = float(2 * np.arctan(cameras.height / 2 / cameras.Ks[0, 1, 1]))
