// The page: its state, the user's actions, and drawing when something has changed.

import { askRun, Compare } from "./compare.js";
import { Drag } from "./drag.js";
import { wireFiles } from "./files.js";
import { History } from "./history.js";
import { Live, liveLink } from "./live.js";
import { buildPresets, buildSliders, drawMarks, listTracks, offerHeat, readable, say } from "./panel.js";
import { Player } from "./player.js";
import { Recorder } from "./record.js";
import { Rig } from "./rig.js";
import { solveBounded } from "./solve.js";
import { drawHead } from "./splats.js";
import { trackAt } from "./track.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const TURN = Math.PI / 36; // rotation in radians per press of an arrow key

/** Start the page with the packed head; `unpack(id)` returns a part of it. Return the interface for scripts. */
export async function start(header, buffer, unpack) {
  const canvas = $("view");
  const rig = new Rig(header, buffer);
  const shown = drawHead(canvas, rig);
  const heads = () => [shown, ...(compare.head ? [compare.head] : [])];
  const stage = document.querySelector("#stage");
  let stale = true;
  let size = [1, 1];
  const view = new View(header, canvas, () => {
    $("camera").value = "";
    stale = true;
  });

  const showWeights = buildSliders(rig.families, rig, {
    onInput: (index, value) => {
      player.stop();
      live.stop();
      rig.weights[index] = value;
      follow(index);
      weightsChanged();
    },
    onChange: () => history.settled(),
  });

  const recorder = new Recorder(rig);
  const redraw = () => (stale = true);
  const follow = offerHeat(rig, (component, most) => {
    shown.setHeat(component, most);
    redraw();
  });

  function weightsChanged() {
    shown.setWeights();
    showWeights(rig.weights);
    recorder.note();
    stale = true;
  }

  /** Set the weights of some families; the others are reset. */
  function pose(families) {
    live.stop();
    rig.weights.fill(0);
    for (const [name, weights] of Object.entries(families)) {
      rig.weights.set(weights, rig.families.find((family) => family.name === name).first);
    }
    weightsChanged();
  }

  const history = new History(rig.weights, (weights) => {
    rig.weights.set(weights);
    live.stop();
    weightsChanged();
  });
  const player = new Player(
    header.tracks,
    (track, time) => pose({ [track.family]: trackAt(track, time) }),
    () => history.settled(),
  );
  const drag = new Drag(rig, view, canvas, () => size, {
    onSolved: () => {
      player.stop();
      live.stop();
      weightsChanged();
    },
    onRelease: () => {
      weightsChanged();
      history.settled();
    },
  });

  function resize(width, height, ratio = Math.min(window.devicePixelRatio, 2)) {
    size = [width, height];
    for (const { renderer } of heads()) {
      renderer.setPixelRatio(ratio);
      renderer.setSize(width, height, false);
    }
    stale = true;
  }

  function render() {
    view.resize(...size);
    for (const { renderer, scene, soften } of heads()) {
      soften(view.magnification(...size) * renderer.getPixelRatio());
      renderer.render(scene, view.camera);
    }
    compare.place(...size);
    const project = view.projector(...size);
    const marks = drag.marks(project);
    drawMarks(...size, marks.pins, marks.drag);
  }

  let frames = 0;
  function tick(now) {
    player.advance(now);
    live.advance();
    if (stale || heads().some(({ spark }) => spark.dirty)) {
      stale = false;
      render();
      frames += 1;
    }
    requestAnimationFrame(tick);
  }

  /** Wait until the last change is sorted and drawn. */
  async function settled() {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      quiet = stale || heads().some(({ spark }) => isBusy(spark)) ? 0 : quiet + 1;
    }
  }

  /** Return the current image as a PNG data URL. */
  async function snapshot() {
    await settled();
    render();
    return canvas.toDataURL("image/png");
  }

  buildPresets(rig.families, (family, expression) => {
    player.stop();
    pose({ [family.name]: family.presets[expression] });
    history.settled();
    say(`${readable(expression)} (${family.title})`);
  });
  let background = 0;
  const setBackground = (color) => {
    background = color;
    for (const { renderer } of heads()) renderer.setClearColor(color);
    redraw();
  };
  const run = await askRun();
  const compare = new Compare(run, rig, view, {
    pose: (families) => {
      player.stop();
      pose(families);
      history.settled();
    },
    onHead: () => {
      resize(...size, shown.renderer.getPixelRatio());
      setBackground(background);
    },
    redraw,
  });
  const inputs = run?.live_link ? [liveLink(run.live_link)] : [];
  if (document.querySelector("script[data-webcam]")) inputs.push((await import("splatrig/webcam.js")).webcam(unpack));
  const live = new Live(inputs, rig, {
    onStart: () => player.stop(),
    onWeights: weightsChanged,
    onTurn: (quat) => {
      view.turnHead(quat);
      redraw();
    },
    onStop: () => history.settled(),
  });
  wire({ rig, view, player, drag, history, compare, header, pose, redraw });
  wireFiles({ rig, player, recorder, history, header, pose, snapshot });
  wireKeys({ canvas, view, player, history, redraw });
  followTheme(setBackground);
  new ResizeObserver(() => resize(stage.clientWidth, stage.clientHeight)).observe(stage);
  resize(stage.clientWidth, stage.clientHeight);
  weightsChanged();
  requestAnimationFrame(tick);
  await settled();
  say("Drag the face to pose it, drag next to it to rotate it.");
  return {
    rig, view, player, drag, history, compare, live, recorder, pose, resize, settled, draw: render, snapshot, solveBounded, setBackground,
    framesDrawn: () => frames,
  };
}

const isBusy = (spark) => spark.dirty || spark.sorting || spark.sortDirty || spark.activeSplats === 0;

/** Connect the buttons. */
function wire({ rig, view, player, drag, history, compare, header, pose, redraw }) {
  $("reset").addEventListener("click", () => {
    player.stop();
    drag.pins.length = 0;
    pose({});
    history.settled();
    say("At rest.");
  });
  for (const step of ["undo", "redo"]) {
    $(step).addEventListener("click", () => {
      player.stop();
      history[step]();
    });
  }
  $("front").addEventListener("click", () => {
    view.front();
    $("camera").value = "";
    redraw();
  });
  for (const camera of header.cameras) $("camera").add(new Option(camera.name, camera.name));
  $("camera").addEventListener("change", () => {
    view.choose($("camera").value);
    compare.lookedThrough();
    redraw();
  });
  $("pin").addEventListener("click", () => {
    drag.pinning = !drag.pinning;
    $("pin").setAttribute("aria-pressed", drag.pinning);
    say(drag.pinning ? "Press points of the face to keep in place; then switch off and drag." : "Drag the face to pose it.");
  });
  $("unpin").addEventListener("click", () => {
    drag.pins.length = 0;
    redraw();
  });
  for (const family of rig.families) $("drag-with").add(new Option(family.title, family.name));
  if (rig.families[0].groups) $("drag-with").value = rig.families[0].name; // poses that an animator reads
  listTracks(player.tracks, 0);
  player.showTime();
  $("track").addEventListener("change", () => player.choose(Number($("track").value)));
  $("play").addEventListener("click", () => (player.playing ? player.stop() : player.play()));
  $("time").addEventListener("input", () => {
    player.stop();
    player.seek($("time").valueAsNumber);
  });
  $("time").addEventListener("change", () => history.settled());
}

/** Connect the keyboard: undo everywhere; on the image, arrows rotate, + and - zoom, space plays. */
function wireKeys({ canvas, view, player, history, redraw }) {
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return;
    event.preventDefault();
    player.stop();
    if (key === "y" || event.shiftKey) history.redo();
    else history.undo();
  });
  const moves = {
    ArrowLeft: () => view.turn(-TURN, 0),
    ArrowRight: () => view.turn(TURN, 0),
    ArrowUp: () => view.turn(0, TURN),
    ArrowDown: () => view.turn(0, -TURN),
    "+": () => view.zoom(1 / 1.1),
    "-": () => view.zoom(1.1),
    " ": () => (player.playing ? player.stop() : player.play()),
  };
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key === "=" ? "+" : event.key];
    if (!move || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move();
    redraw();
  });
}

/** Draw the head before the color that style.css has for light or dark, and follow the system's choice. */
function followTheme(setBackground) {
  const light = window.matchMedia("(prefers-color-scheme: light)");
  const show = () => setBackground(getComputedStyle(document.body).getPropertyValue("--stage").trim());
  light.addEventListener("change", show);
  show();
}
