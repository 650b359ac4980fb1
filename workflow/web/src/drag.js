// Points of the face that the user drags and pins (Lewis & Anjyo, Direct Manipulation Blendshapes, 2010).

import { say } from "./panel.js";
import { pick } from "./rig.js";
import { solveBounded } from "./solve.js";

const $ = (id) => document.getElementById(id);

// Penalty of one usual weight, relative to the squared millimeters that all usual weights together move a pin. Chosen on
// drags of the demo's rigs: at three times this, the worst point stopped 8 % of its way short.
const RIDGE = 3e-5;
// Distance over the surface at which the penalty of a local component is four times that of one centered at the point.
// Chosen on drags of 2 mm of the demo's local rig: of the points that it can take to their target, 1 % end more than 5 %
// short of it, and 9 % at 40 mm.
const LOCALITY_MM = 60;
// Unlimited weights stay within their slider's range times this; beyond it the rig is unreliable.
const REACH = 1.5;

export class Drag {
  /** `size()` is the canvas in pixels; `onSolved()` is called for every new pose, `onRelease()` at the end of a drag. */
  constructor(rig, view, canvas, size, { onSolved, onRelease }) {
    Object.assign(this, { rig, view, canvas, size, onSolved, onRelease });
    this.pins = [];
    this.pinning = false; // a press pins a point instead of dragging it
    this.held = null;
    this.limits = rig.families.flatMap(({ limits, low, high }) =>
      low.map((least, k) => limits ?? [REACH * least, REACH * high[k]]),
    );
    canvas.addEventListener("pointerdown", (event) => this.down(event), { capture: true });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.release());
  }

  /** Return the point of the surface under pixel (x, y) of the canvas, or null outside the face. */
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
    event.stopImmediatePropagation(); // the orbit does not rotate during a drag
    if (event.shiftKey || this.pinning) return this.pin(found);
    this.canvas.setPointerCapture(event.pointerId);
    this.hold(found);
  }

  pin(found) {
    this.pins.push({ ...found, target: this.rig.pointAt(found) });
    say(`Pinned points stay in place while you drag others: ${this.pins.length}.`);
    this.onSolved();
  }

  hold(found) {
    const point = this.rig.pointAt(found);
    const far = this.rig.distancesFrom(found);
    this.held = { ...found, far, from: point, target: point, start: Float64Array.from(this.rig.weights) };
  }

  move(event) {
    if (!this.held) return;
    const [x, y] = this.at(event);
    this.to(this.view.dragTo(this.held.from, x, y, ...this.size()));
  }

  /** Bring the dragged point as near to `target` [3] (head space, millimeters) as the components can, and show it. */
  to(target) {
    this.solve(target);
    this.onSolved();
  }

  /** Set the weights that bring the held point to `target` [3]. */
  solve(target) {
    const { rig, held } = this;
    held.target = target;
    const allowed = new Set($("drag-with").value === "all" ? rig.families.map((f) => f.name) : [$("drag-with").value]);
    const spread = new Float64Array(rig.components); // usual range of each weight; less for components that resist
    const [low, high] = [new Float64Array(rig.components), new Float64Array(rig.components)];
    for (const family of rig.families) {
      family.names.forEach((_, k) => {
        const index = family.first + k;
        const [least, most] = this.limits[index];
        low[index] = Math.min(least, held.start[index]);
        high[index] = Math.max(most, held.start[index]);
        const willing = family.limits ? 1 / (1 + (held.far[rig.centerOf(index)] / LOCALITY_MM) ** 2) : 1;
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
    const ridge = RIDGE * Math.max(reach, 1e-12);
    rig.weights.set(solveBounded(A, b, { start: held.start, spread, low, high, ridge }));
  }

  release() {
    if (!this.held) return;
    this.held = null;
    this.onRelease();
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
