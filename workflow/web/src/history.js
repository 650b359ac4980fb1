// Undo: the poses of the user, one per finished move.

const $ = (id) => document.getElementById(id);
const DEPTH = 200;

export class History {
  /** `weights` are the rig's, read in place; `apply(weights)` shows others. */
  constructor(weights, apply) {
    Object.assign(this, { weights, apply, past: [], future: [], present: Float64Array.from(weights) });
    this.show();
  }

  /** Store the pose before a finished move, unless it is the same. */
  settled() {
    if (this.weights.every((weight, k) => weight === this.present[k])) return;
    this.past = [...this.past, this.present].slice(-DEPTH);
    this.future = [];
    this.present = Float64Array.from(this.weights);
    this.show();
  }

  undo() {
    this.settled(); // an unfinished move counts as one
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
