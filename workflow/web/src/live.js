// Live input: the sliders of ARKit's blendshapes follow a person in front of Live Link Face or a webcam.

import { say } from "./panel.js";

const $ = (id) => document.getElementById(id);
const QUIET_MS = 2000; // time without a face after which a message appears

/** Input from Live Link Face by way of `port` of the machine that serves the page. */
export const liveLink = (port) => ({
  button: "live",
  follows: "The face follows Live Link Face.",
  misses: (seconds) =>
    `No face from Live Link Face for ${seconds} s: the app must see one, and send to UDP port ${port} of the machine that serves this page.`,
  open(live) {
    const source = new EventSource("live");
    source.onmessage = ({ data }) => live.take(JSON.parse(data));
    say("Waiting for Live Link Face …");
    live.wait();
    return source;
  },
});

export class Live {
  /** `inputs` are the sources: `button`, the messages when it `follows` and `misses` a face, and `open(live)`, which
      returns an object to close at the end that may `calibrate` itself. `onStart()` and `onStop()` are called by the switch,
      `onWeights()` for weights, `onTurn(quat)` for the rotation of the head, xyzw, or null. */
  constructor(inputs, rig, { onStart, onWeights, onTurn, onStop }) {
    Object.assign(this, { inputs, rig, onStart, onWeights, onTurn, onStop, quietMs: QUIET_MS });
    this.family = rig.families.find(({ groups }) => groups);
    this.input = null; // the active source, while switched on
    this.source = null; // the object that it opened
    this.latest = null; // weights by name, as sent
    this.turn = null; // of the head, as sent
    this.fresh = false; // whether they are not drawn yet
    this.neutral = {}; // weights by name, of the face at rest
    for (const input of inputs) {
      $(input.button).hidden = false;
      $(input.button).addEventListener("click", () => (this.input === input ? this.stop() : this.start(input)));
    }
    $("neutral").hidden = inputs.length === 0;
    $("neutral").addEventListener("click", () => {
      if (this.source.calibrate) return this.source.calibrate();
      this.neutral = this.latest;
      this.fresh = true;
      say("The current expression is the face at rest.");
    });
  }

  start(input) {
    if (!this.family) return say("No family of this page has ARKit's blendshapes; learned_arkit does.", true);
    this.stop();
    this.onStart();
    this.input = input;
    this.source = input.open(this);
    this.show();
  }

  /** Switch off; the face keeps its pose. */
  stop(reason = "Live is off.", isError = false) {
    if (!this.input) return;
    this.source.close();
    this.input = this.source = this.latest = this.turn = null;
    this.fresh = false;
    clearTimeout(this.timer);
    say(reason, isError);
    this.onTurn(null);
    this.show();
    this.onStop();
  }

  take(weights, turn = null) {
    if (!this.heard) say(this.input.follows);
    this.latest = weights;
    this.turn = turn;
    this.fresh = true;
    this.wait(true);
    this.show();
  }

  /** Show a message if nothing arrives for long; `heard` says whether something just arrived. */
  wait(heard = false) {
    this.heard = heard;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.heard = false;
      say(this.input.misses(this.quietMs / 1000), true);
    }, this.quietMs);
  }

  /** Pose the head by the latest weights once per drawn image, so that a slow page does not lag behind. */
  advance() {
    if (!this.fresh) return;
    this.fresh = false;
    const { first, names } = this.family;
    names.forEach((name, k) => {
      if (!(name in this.latest)) return;
      const weight = this.latest[name] - (this.neutral[name] ?? 0);
      this.rig.weights[first + k] = Math.min(Math.max(weight, 0), 1);
    });
    this.onTurn(this.turn);
    this.onWeights();
  }

  show() {
    for (const input of this.inputs) $(input.button).setAttribute("aria-pressed", this.input === input);
    $("neutral").disabled = this.latest === null;
  }
}
