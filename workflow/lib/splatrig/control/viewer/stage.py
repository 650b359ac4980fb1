"""The three-dimensional part of the page: splats, the ball that people drag, pins, the camera."""

from collections.abc import Callable
from typing import Any

import numpy as np
import viser
from numpy.typing import NDArray
from viser.transforms import SO3

from splatrig.control.viewer.splats import Splats
from splatrig.dataset.cameras import Cameras

SCALE = 0.01
"""Scene units a millimetre: the browser's near and far planes suit a head of a few units."""

HANDLE_MM = 3.0
"""Radius of the ball that people drag."""

START_MM = 620.0
"""Distance of the first view from the middle of the head."""

FOV_DEGREES = 30.0

PIN_COLOR, HELD_COLOR = (80, 200, 255), (255, 160, 40)


class Stage:
    """What is shown, in millimetres of head space; viser's units stay inside."""

    def __init__(self, server: viser.ViserServer, means: NDArray[np.float32]) -> None:
        """Look at a head whose Gaussians lie at `means` [N, 3] from the front."""
        self._server = server
        self._splats: dict[str, viser.GaussianSplatHandle] = {}
        self._handle: Any = None
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

    def hold(self, place: NDArray, dragged: Callable[[str, NDArray], None]) -> None:
        """Put a ball at `place` [3] that people drag, in the plane of the picture.

        `dragged` gets the phase (start, update, end) and how far the pointer has moved since the start [3].
        """
        self.release()
        self._handle = self._server.scene.add_icosphere(
            "/handle", radius=HANDLE_MM * SCALE, color=HELD_COLOR, subdivisions=3, position=tuple(place * SCALE)
        )
        begun: list[NDArray[np.float64]] = []

        @self._handle.on_drag("left")
        async def _(event: viser.SceneNodeDragEvent) -> None:  # async: viser keeps the order of these events
            if event.phase == "start":
                begun[:] = [np.array(event.start_position)]
            if begun:
                dragged(event.phase, (np.array(event.end_position) - begun[0]) / SCALE)

    def move_handle(self, place: NDArray) -> None:
        """Put the ball where its point is."""
        if self._handle is not None:
            self._handle.position = tuple(place * SCALE)

    def release(self) -> None:
        """Take the ball away."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def mark(self, pins: NDArray[np.float64]) -> None:
        """Show pins [P, 3] as small balls."""
        for handle in self._marks:
            handle.remove()
        self._marks = [
            self._server.scene.add_icosphere(
                f"/pins/{number}", radius=2.0 * SCALE, color=PIN_COLOR, subdivisions=2, position=tuple(place * SCALE)
            )
            for number, place in enumerate(pins)
        ]

    def look_through(self, client: viser.ClientHandle, cameras: Cameras) -> None:
        """Put a visitor where the first of `cameras` (from head space) was, with its opening angle."""
        viewmat = cameras.viewmats[0]
        position = -viewmat[:3, :3].T @ viewmat[:3, 3]
        with client.atomic():
            client.camera.wxyz = SO3.from_matrix(viewmat[:3, :3].T).wxyz
            client.camera.position = position * SCALE
            client.camera.fov = float(2 * np.arctan(cameras.height / 2 / cameras.Ks[0, 1, 1]))
