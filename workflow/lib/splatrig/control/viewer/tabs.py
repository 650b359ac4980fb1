"""The tabs of the page: pose, drag, compare, tracks. Each function adds one and wires it."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import viser
from numpy.typing import NDArray

from splatrig.components.labels import title_of
from splatrig.control.coefficients import coefficients_text, parse_coefficients
from splatrig.control.labels import component_label
from splatrig.control.track import Track, parse_csv, parse_json, read_track, write_track
from splatrig.control.viewer.shared_page import NOTHING, SharedPage
from splatrig.control.viewer.stage import SCALE
from splatrig.io.errors import InputError

ALL = "all sliders"


def pose_tab(page: SharedPage) -> None:
    """Neutral, random, expressions, save and load, and the place where sliders go."""
    gui = page.server.gui
    names = list(page.methods)
    method = gui.add_dropdown("Method", names, initial_value=page.controlled, hint="the families that the sliders move")
    expression = gui.add_dropdown("Expression", ["neutral", *_expressions(page)], initial_value="neutral")
    act = gui.add_button_group("Face", ["neutral", "random", "undo"], hint="undo: the pose before the last move")
    save = gui.add_button("Save pose", hint="all sliders as a JSON file, by component name")
    load = gui.add_upload_button("Open pose", mime_type=".json", hint="what Save pose wrote, here or in the web head")

    @method.on_update
    def _(event: viser.GuiEvent) -> None:
        with page.errors_shown(event.client):
            page.control(method.value)

    @expression.on_update
    def _(event: viser.GuiEvent) -> None:
        with page.errors_shown(event.client):
            if expression.value == "neutral":
                page.session.reset()
            else:
                page.session.preset(page.first_family, expression.value)

    @act.on_click
    def _(_: viser.GuiEvent) -> None:
        if act.value == "neutral":
            page.session.reset()
        elif act.value == "random":
            page.session.randomise(page.first_family)
        else:
            page.show.stop.set()
            page.session.undo()

    @save.on_click
    def _(event: viser.GuiEvent) -> None:
        text = coefficients_text(page.method.head.subject, page.method.head.panels, page.session.pose)
        if event.client is not None:
            event.client.send_file_download("coefficients.json", text.encode(), save_immediately=True)

    @load.on_upload
    def _(event: viser.GuiEvent) -> None:
        with page.errors_shown(event.client):
            page.session.set(parse_coefficients(_text(load.value), page.method.head.panels, load.value.name))


def _text(upload: viser.UploadedFile) -> str:
    """Return an uploaded file as text; raise InputError naming it when it is none."""
    try:
        return upload.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{upload.name}: expected text, got bytes that are none ({error.reason}).") from error


def _expressions(page: SharedPage) -> list[str]:
    return list(page.method.head.panels[page.first_family].presets)


def drag_tab(page: SharedPage) -> None:
    """Dragging of points on and off, what may move, and pins."""
    gui = page.server.gui
    gui.add_markdown(
        "Switch on, click a point of the face, and drag the orange ball that appears there. A pin keeps the point "
        "where it is when others are dragged."
    )
    active = gui.add_checkbox("Drag points", initial_value=False)
    families = gui.add_dropdown(
        "With", [ALL, *page.method.head.families], initial_value=ALL, hint="whose sliders a drag may move"
    )
    pins = gui.add_button_group("Pins", ["pin this point", "release all"])
    place = np.zeros(3)

    def dragged(phase: str, moved: NDArray) -> None:
        session = page.session
        if phase == "start" and page.held is not None:
            chosen = () if families.value not in session.head.families else (families.value,)
            place[:] = session.start_drag(page.held, chosen)
        session.drag_to(place + moved)
        if phase == "end":
            session.end_drag()

    @page.server.scene.on_click()
    def _(event: viser.SceneClickEvent) -> None:
        if not active.value:
            return
        aside = np.array([page.apart_mm, 0.0, 0.0])
        vertex = page.session.hit(np.array(event.ray_origin) / SCALE + aside, np.array(event.ray_direction))
        if vertex is not None:
            page.held = vertex
            page.stage.hold(page.session.place(vertex) - aside, dragged)

    @active.on_update
    def _(_: viser.GuiEvent) -> None:
        if not active.value:
            page.held = None
            page.stage.release()

    @pins.on_click
    def _(_: viser.GuiEvent) -> None:
        if pins.value == "release all":
            page.session.release_pins()
        elif page.held is not None:
            page.session.pin(page.held)
        page.stage.mark(np.array(list(page.session.pins.values())).reshape(-1, 3))


def compare_tab(page: SharedPage) -> None:
    """Another method, a heat map, a photograph."""
    gui = page.server.gui
    compared = gui.add_dropdown("Compare with", [NOTHING, *page.methods], initial_value=NOTHING)
    layout = gui.add_dropdown(
        "Show",
        ["side by side", "controlled", "compared"],
        initial_value="side by side",
        hint="both heads, the one that the sliders move, or the other in its place",
    )
    choices = {
        f"{title_of(family)} · {component_label(name)[0]}": (family, number)
        for family, panel in page.method.head.panels.items()
        for number, name in enumerate(panel.names)
    }
    heat = gui.add_dropdown(
        "Heat map", [NOTHING, *choices], initial_value=NOTHING, hint="how far a component moves each point, in mm"
    )
    scale = gui.add_markdown("")
    shelf = page.photographs
    frame = gui.add_dropdown("Photograph", [NOTHING, *shelf.frames], initial_value=NOTHING)
    camera = gui.add_dropdown("Camera", list(shelf.cameras.names), initial_value=shelf.cameras.names[0])
    act = gui.add_button_group("Frame", ["take its pose", "look from there"])
    blank = np.zeros((shelf.cameras.height, 2 * shelf.cameras.width, 3), dtype=np.uint8)
    page.picture = gui.add_image(blank, label="photograph | render", visible=False)

    @compared.on_update
    @layout.on_update
    def _(_: viser.GuiEvent) -> None:
        page.show.compared, page.show.layout = compared.value, layout.value
        page.session.changed.set()

    @heat.on_update
    def _(event: viser.GuiEvent) -> None:
        page.show.heat = None
        with page.errors_shown(event.client):
            asked = choices.get(heat.value)
            scale.content = "" if asked is None else page.heat_caption(*asked)
            page.show.heat = asked
        page.session.changed.set()

    @frame.on_update
    @camera.on_update
    def _(_: viser.GuiEvent) -> None:
        page.show.photo = None if frame.value == NOTHING else (frame.value, camera.value)
        page.picture.visible = False
        page.session.changed.set()

    @act.on_click
    def _(event: viser.GuiEvent) -> None:
        with page.errors_shown(event.client):
            if frame.value == NOTHING:
                raise InputError("photograph: none is chosen; choose one first.")
            if act.value == "take its pose":
                page.session.frame(frame.value)
            elif event.client is not None:
                page.stage.look_through(event.client, shelf.camera(frame.value, camera.value))


def track_tab(page: SharedPage) -> None:
    """Play tracks of the run or from a file, and record new ones."""
    gui = page.server.gui
    files = track_files(page.results, list(page.method.head.families))
    chosen = gui.add_dropdown("Track", list(files) or [NOTHING], initial_value=next(iter(files), NOTHING))
    upload = gui.add_upload_button("Play a file", mime_type=".csv,.json", hint="a track of weights, CSV or JSON")
    speed = gui.add_slider("Speed", min=0.1, max=3.0, step=0.1, initial_value=1.0)
    loop = gui.add_checkbox("Loop", initial_value=False)
    act = gui.add_button_group("Chosen track", ["play", "stop"])
    record = gui.add_button_group("Record", ["start", "stop and save"], hint="every pose, as tracks of this run")
    said = gui.add_markdown("")

    def play(track_of: Callable[[], Track], client: viser.ClientHandle | None) -> None:
        page.show.stop.set()
        stop = page.show.stop = threading.Event()
        with page.errors_shown(client):
            track = track_of()
            if track.family not in page.method.head.families:
                raise InputError(
                    f"track of {track.family}: the method {page.controlled} has no such family; choose another method, "
                    "or retarget the track."
                )
            while not stop.is_set():
                page.session.play(track, stop, lambda: float(speed.value))
                if not loop.value:
                    break

    @act.on_click
    def _(event: viser.GuiEvent) -> None:
        if act.value == "play" and chosen.value != NOTHING:
            play(lambda: read_track(files[chosen.value]), event.client)
        else:
            page.show.stop.set()

    @upload.on_upload
    def _(event: viser.GuiEvent) -> None:
        name = upload.value.name
        parse = parse_json if name.lower().endswith(".json") else parse_csv
        play(lambda: parse(_text(upload.value), name), event.client)

    @record.on_click
    def _(event: viser.GuiEvent) -> None:
        with page.errors_shown(event.client):
            if record.value == "start":
                page.session.start_recording()
                said.content = "Recording: every pose from now on."
                return
            folder = page.results / "control" / "recorded" / datetime.now().strftime("%Y%m%d-%H%M%S")
            tracks = page.session.stop_recording()
            for track in tracks:
                write_track(folder / f"{track.family}.csv", track)
            said.content = f"{len(tracks[0])} poses in {tracks[0].duration_s:.1f} s, saved in `{folder}`."


def track_files(results: Path, families: list[str]) -> dict[str, Path]:
    """Return the tracks that a run has made, by a readable name, the tours through all expressions first."""
    folder = results / "control" / "tracks"
    paths = [path for family in families for path in sorted((folder / family).rglob("*.csv"))]
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(paths, key=_is_no_tour)}


def _is_no_tour(path: Path) -> bool:
    return path.stem != "tour"
