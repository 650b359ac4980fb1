// Compare the head with a photograph or the head of another family, in one frame. The page must be served for this.

import { say } from "./panel.js";
import { Rig } from "./rig.js";
import { drawHead } from "./splats.js";

const $ = (id) => document.getElementById(id);
const PHOTOGRAPH = "photograph"; // instead of a family

/** Return the contents of the run that serves this page; null for a page from disk, or from a server without a run. */
export const askRun = () => (location.protocol.startsWith("http") ? fetch("run.json").then((found) => found.json()).catch(() => null) : null);

/** Return the response to a request about the run; throw its sentence if there is none. */
async function ask(...names) {
  const found = await fetch(names.flatMap((name) => name.split("/")).map(encodeURIComponent).join("/"));
  if (!found.ok) throw new Error(await found.text());
  return found;
}

/** Return the head of one family, drawn on its own canvas: `splatrig.control.serve.run.Run.family`. */
async function headOf(family) {
  const buffer = await (await ask("family", family)).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const rig = new Rig(header, buffer.slice(4 + length));
  const canvas = document.createElement("canvas");
  return { family, rig, canvas, ...drawHead(canvas, rig) };
}

export class Compare {
  /** `pose(families)` poses the head, `onHead()` is called for another head, `redraw()` for any other visible change. */
  constructor(run, rig, view, { pose, onHead, redraw }) {
    Object.assign(this, { rig, view, pose, onHead, redraw });
    this.head = null; // of the compared family
    this.asked = 0; // number of choices so far: late answers are dropped
    if (run === null) return;
    $("compare").hidden = false;
    for (const frame of run.frames) $("frame").add(new Option(frame, frame));
    for (const family of rig.families) $("own-family").add(new Option(family.title, family.name));
    for (const family of run.families) $("other").add(new Option(family.title, family.name));
    for (const id of ["frame", "own-family"]) $(id).addEventListener("change", () => this.choose(true));
    $("other").addEventListener("change", () => this.choose(false));
    $("wipe").addEventListener("input", () => this.wipe());
    this.wipe();
  }

  /** Show the chosen comparison; `posed` says whether the head takes the frame's pose. */
  async choose(posed) {
    const turn = ++this.asked;
    try {
      await this.show(posed, () => turn === this.asked);
    } catch (error) {
      say(error.message, true);
    }
    if (turn === this.asked) this.redraw();
  }

  async show(posed, isLast) {
    const [own, other] = [$("own-family").value, $("other").value];
    if (other && !$("frame").value) {
      $("frame").selectedIndex = 1;
      posed = true;
    }
    const frame = $("frame").value;
    const missing = posed ? await this.takeFrame(frame, own, isLast) : "";
    if (!isLast()) return;
    const family = other === PHOTOGRAPH ? "" : other;
    if (this.head && this.head.family !== family) this.drop();
    if (family) {
      if (!this.head) {
        say(`Packing ${$("other").selectedOptions[0].text} …`);
        const head = await headOf(family);
        if (!isLast()) return head.release();
        this.head = head;
        $("uncovered").append(head.canvas);
        this.onHead();
      }
      const weights = await (await ask("weights", family, frame)).json();
      if (!isLast()) return;
      this.head.rig.weights.set(weights);
      this.head.setWeights();
    }
    if (other === PHOTOGRAPH) {
      if (this.view.chosen === null) this.look(this.rig.header.cameras[0].name);
      const url = URL.createObjectURL(await (await ask("photograph", frame, this.view.chosen.name)).blob());
      if (!isLast()) return;
      URL.revokeObjectURL($("photograph").src);
      $("photograph").src = url;
      await $("photograph").decode();
    }
    if (missing) say(missing, true);
    else if (frame) say(`${frame}: ${[own, other].filter(Boolean).map((name) => this.titleOf(name)).join(" | ")}`);
  }

  /** Pose the head by one of its families as in a frame, and place the cameras as in that frame. Return what
      is missing, in a sentence: photographs also exist of frames that no family was made from. */
  async takeFrame(frame, family, isLast) {
    const cameras = frame ? await (await ask("cameras", frame)).json() : this.rig.header.cameras;
    const found = frame ? await ask("weights", family, frame).catch((error) => error) : null;
    const weights = found instanceof Response ? await found.json() : null;
    if (!isLast()) return "";
    this.view.cameras = cameras;
    if (weights !== null) this.pose({ [family]: weights });
    if (this.view.chosen !== null) this.look(this.view.chosen.name);
    return found instanceof Error ? found.message : "";
  }

  /** Show the photograph of a newly chosen camera. */
  lookedThrough() {
    if ($("other").value === PHOTOGRAPH && this.view.chosen !== null) this.choose(false);
  }

  look(camera) {
    $("camera").value = camera;
    this.view.choose(camera);
  }

  titleOf(name) {
    const option = [...$("other").options].find(({ value }) => value === name);
    return option ? option.text : name;
  }

  drop() {
    this.head.canvas.remove();
    this.head.release();
    this.head = null;
  }

  wipe() {
    $("stage").style.setProperty("--wipe", $("wipe").value);
  }

  /** Lay the compared image over that of `width` × `height` pixels; a photograph only fits its own camera. */
  place(width, height) {
    const isPhotograph = $("other").value === PHOTOGRAPH && this.view.chosen !== null && $("photograph").src !== "";
    const shown = isPhotograph || this.head !== null;
    for (const id of ["over", "wipe"]) $(id).hidden = !shown;
    $("photograph").hidden = !isPhotograph;
    if (!isPhotograph) return;
    const [left, top, wide, high] = this.view.picture(width, height);
    Object.assign($("photograph").style, { left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${high}px` });
  }
}
