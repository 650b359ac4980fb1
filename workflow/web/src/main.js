// The page: state, what the user does to it, and drawing when something changed.

import { buildPresets, buildSliders, drawMarks, listTracks, say } from "./panel.js";
import { Rig, pick } from "./rig.js";
import { solveBounded } from "./solve.js";
import { drawHead } from "./splats.js";
import { parseFile, poseText, trackAt } from "./track.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const SHORT_TRACK_S = 0.5; // tracks of a few frames start slowed down, there and back

/** Start the page on the packed head; return what a script can do with it. */
export async function start(header, buffer) {
  const canvas = $("view");
  const rig = new Rig(header, buffer);
  const { renderer, scene, spark, setWeights, soften } = drawHead(canvas, rig);
  const stage = document.querySelector("#stage");
  let stale = true;
  let size = [1, 1];
  const view = new View(header, canvas, () => {
    $("camera").value = "";
    stale = true;
  });

  const showWeights = buildSliders(rig.families, rig, (index, value) => {
    player.stop();
    rig.weights[index] = value;
    weightsChanged();
  });

  function weightsChanged() {
    setWeights();
    showWeights(rig.weights);
    stale = true;
  }

  /** Set the weights of some families; the others go to rest. */
  function pose(families) {
    rig.weights.fill(0);
    for (const [name, weights] of Object.entries(families)) {
      rig.weights.set(weights, rig.families.find((family) => family.name === name).first);
    }
    weightsChanged();
  }

  const player = new Player(header.tracks, (track, time) => pose({ [track.family]: trackAt(track, time) }));
  const drag = new Drag(rig, view, canvas, () => size, () => {
    player.stop();
    weightsChanged();
  });

  function resize(width, height, ratio = Math.min(window.devicePixelRatio, 2)) {
    size = [width, height];
    renderer.setPixelRatio(ratio);
    renderer.setSize(width, height, false);
    stale = true;
  }

  function render() {
    view.resize(...size);
    soften(view.magnification(...size) * renderer.getPixelRatio());
    renderer.render(scene, view.camera);
    const project = view.projector(...size);
    const marks = drag.marks(project);
    drawMarks(...size, marks.pins, marks.drag);
  }

  let frames = 0;
  function tick(now) {
    player.advance(now);
    if (stale || spark.dirty) {
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
      quiet = stale || spark.dirty || spark.sorting || spark.sortDirty || spark.activeSplats === 0 ? 0 : quiet + 1;
    }
  }

  /** Return the picture as a PNG data URL, as seen now. */
  async function snapshot() {
    await settled();
    render();
    return canvas.toDataURL("image/png");
  }

  buildPresets(rig.families, (family, expression) => {
    player.stop();
    pose({ [family.name]: family.presets[expression] });
    say(`${expression}, with ${family.title}.`);
  });
  wire({ rig, view, player, drag, header, pose, redraw: () => (stale = true) });
  new ResizeObserver(() => resize(stage.clientWidth, stage.clientHeight)).observe(stage);
  resize(stage.clientWidth, stage.clientHeight);
  weightsChanged();
  requestAnimationFrame(tick);
  await settled();
  say("Drag the face to pose it, drag beside it to turn it.");
  return {
    rig, view, player, drag, pose, resize, settled, snapshot, solveBounded,
    setBackground: (color) => ((scene.background = null), renderer.setClearColor(color), (stale = true)),
    framesDrawn: () => frames,
  };
}

/** Tracks over time. */
class Player {
  constructor(tracks, apply) {
    this.tracks = tracks;
    this.apply = apply;
    this.chosen = 0;
    this.time = 0;
    this.direction = 1;
    this.playing = false;
    this.last = null;
  }

  get track() {
    return this.tracks[this.chosen];
  }
  get duration() {
    return this.track ? this.track.times[this.track.times.length - 1] : 0;
  }

  choose(index) {
    this.chosen = index;
    this.time = 0;
    this.direction = 1;
    if (this.duration < SHORT_TRACK_S) {
      $("mode").value = "back";
      $("speed").value = "0.1";
    }
    this.show();
  }

  play() {
    if (!this.track) return;
    if (this.time >= this.duration) this.time = 0;
    this.direction = 1;
    this.playing = true;
    this.last = null;
    $("play").textContent = "Pause";
  }

  stop() {
    this.playing = false;
    $("play").textContent = "Play";
  }

  /** Go to a time of the track, in seconds. */
  seek(time) {
    this.time = time;
    this.show();
  }

  show() {
    if (!this.track) return;
    $("time").max = this.duration;
    $("time").value = this.time;
    $("seconds").textContent = `${this.time.toFixed(2)} of ${this.duration.toFixed(2)} s`;
    this.apply(this.track, this.time);
  }

  advance(now) {
    if (!this.playing) return;
    if (this.last !== null) {
      this.time += this.direction * ((now - this.last) / 1000) * Number($("speed").value);
      if (this.time >= this.duration || this.time < 0) this.turn();
      this.show();
    }
    this.last = now;
  }

  /** Go on from an end of the track as the user chose. */
  turn() {
    const mode = $("mode").value;
    if (mode === "loop" && this.duration > 0) {
      this.time %= this.duration;
      return;
    }
    this.time = Math.min(Math.max(this.time, 0), this.duration);
    if (mode === "back") this.direction = this.time === 0 ? 1 : -1;
    else this.stop();
  }
}

/** Points of the face that the user drags and pins. */
class Drag {
  constructor(rig, view, canvas, size, onSolved) {
    Object.assign(this, { rig, view, canvas, size, onSolved });
    this.pins = [];
    this.held = null;
    canvas.addEventListener("pointerdown", (event) => this.down(event), { capture: true });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.release());
  }

  /** Return the point of the surface under pixel (x, y) of the canvas, or null beside the face. */
  find(x, y) {
    this.rig.place();
    const found = pick(this.rig, x, y, this.view.projector(...this.size()));
    return found && found.vertices.every((vertex) => this.rig.mask[vertex]) ? found : null;
  }

  down(event) {
    if (event.button !== 0 || event.ctrlKey) return;
    const [x, y] = this.at(event);
    const found = this.find(x, y);
    if (!found) return;
    event.stopImmediatePropagation(); // the orbit does not turn while the face is held
    if (event.shiftKey) return this.pin(found);
    this.canvas.setPointerCapture(event.pointerId);
    this.hold(found);
  }

  pin(found) {
    this.pins.push({ ...found, target: this.rig.pointAt(found) });
    say(`${this.pins.length} pinned; "Remove pins" lets them go.`);
    this.onSolved();
  }

  hold(found) {
    const point = this.rig.pointAt(found);
    const rest = this.rig.restAt(found);
    this.held = { ...found, rest, from: point, target: point, start: Float64Array.from(this.rig.weights) };
  }

  move(event) {
    if (!this.held) return;
    const [x, y] = this.at(event);
    this.to(this.view.dragTo(this.held.from, x, y, ...this.size()));
  }

  /** Bring the held point as near to `target` [3] (head space, millimetres) as the components can, and show it. */
  to(target) {
    this.solve(target);
    this.onSolved();
  }

  /** Set the weights that bring the held point to `target` [3]. */
  solve(target) {
    const { rig, held } = this;
    const options = rig.header.drag; // `control.drag` of the configuration
    held.target = target;
    const allowed = new Set($("drag-with").value === "all" ? rig.families.map((f) => f.name) : [$("drag-with").value]);
    const spread = new Float64Array(rig.components); // how far each weight usually goes; less for what is unwilling
    const [low, high] = [new Float64Array(rig.components), new Float64Array(rig.components)];
    for (const family of rig.families) {
      family.names.forEach((_, k) => {
        const index = family.first + k;
        const [least, most] = rig.limits[index];
        low[index] = Math.min(least, held.start[index]);
        high[index] = Math.max(most, held.start[index]);
        const far = distance(rig.centerOf(index), held.rest) / options.locality_mm;
        const willing = family.limits ? 1 / (1 + far ** 2) : 1 / Math.sqrt(options.global_cost);
        spread[index] = allowed.has(family.name) ? willing * family.usual[k] : 0;
      });
    }
    const A = [];
    const b = [];
    for (const point of [held, ...this.pins]) {
      const place = rig.pointAt(point);
      rig.jacobianAt(point).forEach((row, axis) => {
        const now = row.reduce((sum, value, k) => sum + value * rig.weights[k], 0);
        A.push(row);
        b.push(point.target[axis] - place[axis] + now);
      });
    }
    const usual = rig.families.flatMap((family) => family.usual.map((value) => (allowed.has(family.name) ? value : 0)));
    const reach = A.slice(0, 3).reduce((sum, row) => sum + row.reduce((part, a, k) => part + (a * usual[k]) ** 2, 0), 0);
    const ridge = options.ridge * Math.max(reach, 1e-12);
    rig.weights.set(solveBounded(A, b, { start: held.start, spread, low, high, ridge }));
  }

  release() {
    if (!this.held) return;
    this.held = null;
    this.onSolved();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  marks(project) {
    const drag = this.held && [project(this.rig.pointAt(this.held)), project(this.held.target)];
    return { pins: this.pins.map((pin) => project(pin.target)), drag };
  }
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/** Connect the buttons. */
function wire({ rig, view, player, drag, header, pose, redraw }) {
  $("reset").addEventListener("click", () => {
    player.stop();
    drag.pins.length = 0;
    pose({});
    say("At rest.");
  });
  $("front").addEventListener("click", () => {
    view.front();
    redraw();
  });
  for (const camera of header.cameras) $("camera").add(new Option(camera.name, camera.name));
  $("camera").addEventListener("change", () => {
    view.choose($("camera").value);
    redraw();
  });
  $("unpin").addEventListener("click", () => {
    drag.pins.length = 0;
    redraw();
  });
  for (const family of rig.families) $("drag-with").add(new Option(family.title, family.name));
  listTracks(player.tracks, 0);
  $("track").addEventListener("change", () => player.choose(Number($("track").value)));
  $("play").addEventListener("click", () => (player.playing ? player.stop() : player.play()));
  $("time").addEventListener("input", () => {
    player.stop();
    player.seek($("time").valueAsNumber);
  });
  $("open").addEventListener("change", async () => {
    const [file] = $("open").files;
    if (!file) return;
    try {
      take(parseFile(await file.text(), file.name, rig.families), file.name, { player, pose });
    } catch (error) {
      say(error.message, true);
    }
    $("open").value = "";
  });
  $("save").addEventListener("click", () => {
    const link = document.createElement("a");
    const text = poseText(header.subject, rig.families, rig.weights);
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `${header.subject}_pose.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

/** Use what a file holds: a pose at once, a track by playing it. */
function take(parsed, name, { player, pose }) {
  player.stop();
  if (parsed.kind === "pose") {
    pose(parsed.families);
    say(`${name}: pose taken over.`);
    return;
  }
  player.tracks.push({ ...parsed, title: name });
  listTracks(player.tracks, player.tracks.length - 1);
  player.choose(player.tracks.length - 1);
  player.play();
  say(`${name}: ${parsed.times.length} rows, ${player.duration.toFixed(2)} s.`);
}
