// What Live Link Face sends, passed on by the server: the sliders of ARKit's blendshapes follow it.

import { say } from "./panel.js";

const $ = (id) => document.getElementById(id);
const QUIET_MS = 2000; // so long without a face is said

export class Live {
  /** `port` is where the server listens, if it does. `onStart()` and `onStop()` hear of the switch, `onWeights()` of weights. */
  constructor(port, rig, { onStart, onWeights, onStop }) {
    Object.assign(this, { port, rig, onStart, onWeights, onStop, quietMs: QUIET_MS });
    this.family = rig.families.find(({ groups }) => groups);
    this.source = null; // of events, while switched on
    this.latest = null; // weights by name, as sent
    this.fresh = false; // whether the face does not show them yet
    this.neutral = {}; // weights by name, of the face at rest
    for (const id of ["live", "neutral"]) $(id).hidden = !port;
    $("live").addEventListener("click", () => (this.source ? this.stop() : this.start()));
    $("neutral").addEventListener("click", () => {
      this.neutral = this.latest;
      this.fresh = true;
      say("The present look is the face at rest.");
    });
  }

  start() {
    if (!this.family) return say("No family of this page has ARKit's blendshapes; learned_arkit does.", true);
    this.onStart();
    this.source = new EventSource("live");
    this.source.onmessage = ({ data }) => this.take(JSON.parse(data));
    say("Waiting for Live Link Face …");
    this.show();
    this.wait();
  }

  /** Switch off; the face stays as it is. */
  stop() {
    if (!this.source) return;
    this.source.close();
    this.source = this.latest = null;
    this.fresh = false;
    clearTimeout(this.timer);
    say("Live is off.");
    this.show();
    this.onStop();
  }

  take(weights) {
    if (!this.heard) say("The face follows Live Link Face.");
    this.latest = weights;
    this.fresh = true;
    this.wait(true);
    this.show();
  }

  /** Say so if nothing comes for long; `heard` says whether something just came. */
  wait(heard = false) {
    this.heard = heard;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.heard = false;
      const place = `UDP port ${this.port} of the machine that serves this page`;
      say(`No face from Live Link Face for ${this.quietMs / 1000} s: the app must see one, and send to ${place}.`, true);
    }, this.quietMs);
  }

  /** Pose the head by what came last, once per image that is drawn: a slow page must not lag behind. */
  advance() {
    if (!this.fresh) return;
    this.fresh = false;
    const { first, names } = this.family;
    names.forEach((name, k) => {
      if (!(name in this.latest)) return;
      const weight = this.latest[name] - (this.neutral[name] ?? 0);
      this.rig.weights[first + k] = Math.min(Math.max(weight, 0), 1);
    });
    this.onWeights();
  }

  show() {
    $("live").setAttribute("aria-pressed", this.source !== null);
    $("neutral").disabled = this.latest === null;
  }
}
