"""Sliders of all components of a head, in both directions: they set the pose, and follow it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from splatrig.components.labels import title_of
from splatrig.control.head import Head, Pose
from splatrig.control.labels import component_label
from splatrig.control.panel import Panel

STEPS = 200
"""Stops of a slider."""

OPEN = 12
"""Families with more components than this show the rest in a folder that is closed at first."""


class Sliders:
    """One folder a family, one slider a component."""

    def __init__(self, gui: viser.GuiApi, head: Head, moved: Callable[[str, int, float], None]) -> None:
        """Add the folders where `gui` is; `moved` gets family, component and weight when a person moves a slider."""
        self._handles: dict[str, list[Any]] = {}  # viser types values of sliders as read-only; they can be set
        self._folders: list[Any] = []
        for name, family in head.families.items():
            folder = gui.add_folder(title_of(name), expand_by_default=not self._folders)
            self._folders.append(folder)
            with folder:
                handles = [
                    self._slider(gui, family.panel, k, name, moved) for k in range(min(OPEN, family.panel.count))
                ]
                if family.panel.count > OPEN:
                    with gui.add_folder(f"{family.panel.count - OPEN} more", expand_by_default=False):
                        handles += [
                            self._slider(gui, family.panel, k, name, moved) for k in range(OPEN, family.panel.count)
                        ]
            self._handles[name] = handles

    def _slider(
        self, gui: viser.GuiApi, panel: Panel, component: int, family: str, moved: Callable[[str, int, float], None]
    ) -> "viser.GuiSliderHandle[float]":
        low, high = float(panel.low[component]), float(panel.high[component])
        digits = max(0, 3 - int(np.floor(np.log10(max(high - low, 1e-9)))))
        step = max(round((high - low) / STEPS, digits), 10.0**-digits)
        low, high = step * np.floor(low / step), step * np.ceil(high / step)
        handle = gui.add_slider(
            component_label(panel.names[component])[0],
            min=round(float(low), digits),
            max=round(float(high), digits),
            step=step,
            initial_value=float(np.clip(round(float(panel.neutral[component]), digits), low, high)),
            hint=panel.names[component],
        )

        @handle.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:  # None: it followed the pose
                moved(family, component, float(handle.value))

        return handle

    def follow(self, pose: Pose) -> None:
        """Put every slider where the pose is, as far as it reaches; only those that differ are sent."""
        for name, handles in self._handles.items():
            for handle, weight in zip(handles, pose[name], strict=True):
                shown = round(float(np.clip(weight, handle.min, handle.max)), 6)
                if abs(shown - float(handle.value)) > handle.step / 2:
                    handle.value = shown

    def remove(self) -> None:
        """Take all folders away."""
        for folder in self._folders:
            folder.remove()
