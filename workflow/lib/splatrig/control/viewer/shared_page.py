"""What the tabs of the page share: the methods, the pose, and the loop that shows them."""

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import viser
from numpy.typing import NDArray

from splatrig.control.head import Head
from splatrig.control.viewer.photographs import Photographs
from splatrig.control.viewer.session import Follower, Session
from splatrig.control.viewer.sliders import Sliders
from splatrig.control.viewer.splats import Blender, heat_colors, reach_mm
from splatrig.control.viewer.stage import SCALE, Stage
from splatrig.io.errors import InputError

EYE_SECONDS, PHOTO_SECONDS = 0.2, 0.25
"""Colours follow the view, and the render beside a photograph the pose, after this much rest."""


NOTHING = "(nothing)"
"""The entry of a list that chooses none."""


@dataclass
class _Method:
    """One way to move the head: its families, their state, and what shows it."""

    head: Head
    session: Session
    blender: Blender


@dataclass
class Show:
    """What is asked for beside the pose."""

    compared: str = NOTHING
    """The method that stands beside, or takes the place of, the controlled one."""
    layout: str = "side by side"
    heat: tuple[str, int] | None = None
    """Family and component whose heat map is shown."""
    photo: tuple[str, str] | None = None
    """Frame and camera of the photograph."""
    eye: NDArray[np.float64] | None = None
    """Where the visitor looks from."""
    eye_moved: float = 0.0
    photo_due: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends a track that plays."""


class SharedPage(ABC):
    """The viewer of one subject for everyone who opens the page; they share one pose."""

    def __init__(self, server: viser.ViserServer, results: Path, heads: dict[str, Head], seed: int = 0) -> None:
        """Build the page for the methods `heads`; the first is controlled at the start."""
        self.server, self.results = server, results
        self.photographs = Photographs(results, 480)
        self.methods = {
            name: _Method(
                head,
                Session(head, seed),
                Blender(head, self.photographs.blur_mm2(head.base.means.mean(axis=0))),
            )
            for name, head in heads.items()
        }
        self.controlled = next(iter(heads))
        self.show = Show()
        first = heads[self.controlled]
        self.stage = Stage(server, first.base.means)
        self.updates = 0
        """How many poses were sent to the browsers."""
        self._followers: dict[tuple[str, str], Follower] = {}
        self.held: int | None = None
        """The Gaussian that was clicked and carries the ball."""
        self._running = threading.Event()
        self.apart_mm = 0.0
        """How far the controlled head stands to the left while another one stands beside it."""
        self.picture: viser.GuiImageHandle
        """Photograph and render, side by side; the tab that compares makes it."""
        server.gui.configure_theme(dark_mode=True, control_width="large", show_logo=False, show_share_button=False)
        self._build()
        server.on_client_connect(self._welcome)
        self._worker = threading.Thread(target=self._run, name="viewer", daemon=True)

    def start(self) -> None:
        """Begin to show poses."""
        self._running.set()
        self.session.changed.set()
        self._worker.start()

    def close(self) -> None:
        """End the worker and the server."""
        self._running.clear()
        self.show.stop.set()
        self._worker.join(timeout=5.0)
        self.server.stop()

    @property
    def method(self) -> _Method:
        """The method under control."""
        return self.methods[self.controlled]

    @property
    def session(self) -> Session:
        """The state of the method under control."""
        return self.method.session

    @property
    def first_family(self) -> str:
        """The family that expressions and random faces use."""
        return next(iter(self.method.head.families))

    @abstractmethod
    def _build(self) -> None:
        """Add the tabs, and with `add_sliders` the sliders."""

    def add_sliders(self) -> None:
        """Add the sliders of the method under control, here and in its place whenever another one is controlled."""
        self._place = self.server.gui.add_folder("Components")
        with self._place:
            self.sliders = Sliders(self.server.gui, self.method.head, self._slid)

    def _slid(self, family: str, component: int, weight: float) -> None:
        self.session.set_weight(family, component, weight)

    def control(self, name: str) -> None:
        """Let the sliders move another method; the face keeps its expression as far as that method has it."""
        if name == self.controlled:
            return
        pose = self._follower(self.controlled, name).pose(self.session.pose)
        self.show.stop.set()
        self.sliders.remove()
        self.controlled = name
        with self._place:
            self.sliders = Sliders(self.server.gui, self.method.head, self._slid)
        self.session.set(self.session.neutral() | pose)

    def heat_caption(self, family: str, component: int) -> str:
        """Return what the colours of a heat map mean."""
        lengths = reach_mm(self.method.head, family, component)
        name = self.method.head.panels[family].names[component]
        return f"{name}: black 0 mm, yellow {lengths.max():.3g} mm at the end of its slider"

    def _welcome(self, client: viser.ClientHandle) -> None:
        @client.camera.on_update
        def _(camera: viser.CameraHandle) -> None:
            self.show.eye = np.asarray(camera.position, dtype=np.float64) / SCALE
            self.show.eye_moved = time.monotonic()

    @contextlib.contextmanager
    def errors_shown(self, client: viser.ClientHandle | None = None) -> Iterator[None]:
        """Show the sentence of bad input on the page instead of failing."""
        try:
            yield
        except InputError as error:
            for visitor in [client] if client is not None else self.server.get_clients().values():
                visitor.add_notification("That did not work", str(error), color="red", auto_close_seconds=12.0)

    # --- the loop -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Send every new pose once; the worker of the page."""
        while self._running.is_set():
            if self.session.changed.wait(0.05):
                self.session.changed.clear()
                with self.errors_shown():
                    self._refresh()
                self.show.photo_due = time.monotonic() + PHOTO_SECONDS
                continue
            now = time.monotonic()
            if self.show.eye_moved and now - self.show.eye_moved > EYE_SECONDS:
                self.show.eye_moved = 0.0
                with self.errors_shown():
                    self._refresh()
            if self.show.photo is not None and self.show.photo_due and now > self.show.photo_due:
                self.show.photo_due = 0.0
                with self.errors_shown():
                    frame, camera = self.show.photo
                    gaussians = self.method.head.gaussians(self.session.pose)
                    self.picture.image = self.photographs.beside(frame, camera, gaussians)
                    self.picture.visible = True

    def _refresh(self) -> None:
        """Send the present pose."""
        method, pose = self.method, self.session.pose
        layout = self.show.layout if self.show.compared in self.methods else "controlled"
        self.apart_mm = apart = 0.65 * self.stage.width_mm if layout == "side by side" else 0.0
        if layout != "compared":
            self._send("head", method, pose, -apart)
        else:
            self.stage.hide("head")
        if layout in ("side by side", "compared"):
            other = self.methods[self.show.compared]
            self._send("compared", other, self._follower(self.controlled, self.show.compared).pose(pose), apart)
        else:
            self.stage.hide("compared")
        self.sliders.follow(pose)
        self.updates += 1

    def _send(self, name: str, method: _Method, pose: dict[str, NDArray[np.float64]], offset_mm: float) -> None:
        if self.show.eye is not None:
            method.blender.look_from(self.show.eye - [offset_mm, 0.0, 0.0], method.head.base.means)
        splats = method.blender.splats(pose, self._heat(method))
        self.stage.show(name, splats, offset_mm)
        if name == "head" and self.held is not None:
            self.stage.move_handle(splats.centers[self.held] + np.array([offset_mm, 0.0, 0.0]))

    def _heat(self, method: _Method) -> NDArray[np.uint8] | None:
        """Return the heat map's colours where one is asked for and the method has that component."""
        if self.show.heat is None or self.show.heat[0] not in method.head.families:
            return None
        lengths = reach_mm(method.head, *self.show.heat)
        return heat_colors(lengths, float(lengths.max()))

    def _follower(self, leader: str, follower: str) -> Follower:
        key = (leader, follower)
        if key not in self._followers:
            self._followers[key] = Follower(self.methods[leader].head, self.methods[follower].head)
        return self._followers[key]
