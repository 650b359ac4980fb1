// What can be undone: the poses that the user came through, one a finished move.

const $ = (id) => document.getElementById(id);
const DEPTH = 200;

export class History {
  /** `weights` are the rig's, watched in place; `apply(weights)` shows others. */
  constructor(weights, apply) {
    Object.assign(this, { weights, apply, past: [], future: [], present: Float64Array.from(weights) });
    this.show();
  }

  /** A move has ended: keep the pose before it, unless it is the same. */
  settled() {
    if (this.weights.every((weight, k) => weight === this.present[k])) return;
    this.past = [...this.past, this.present].slice(-DEPTH);
    this.future = [];
    this.present = Float64Array.from(this.weights);
    this.show();
  }

  undo() {
    this.settled(); // what is not finished counts as a move
    this.step(this.past, this.future);
  }

  redo() {
    this.settled();
    this.step(this.future, this.past);
  }

  step(from, to) {
    if (from.length === 0) return;
    to.push(this.present);
    this.present = from.pop();
    this.apply(this.present);
    this.show();
  }

  show() {
    $("undo").disabled = this.past.length === 0;
    $("redo").disabled = this.future.length === 0;
  }
}
