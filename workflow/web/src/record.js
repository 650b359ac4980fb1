// Recording of every pose as tracks: one per family that moved.

const $ = (id) => document.getElementById(id);

export class Recorder {
  /** `clock()` is in seconds. */
  constructor(rig, clock = () => performance.now() / 1000) {
    Object.assign(this, { rig, clock, poses: null });
  }

  get recording() {
    return this.poses !== null;
  }

  start() {
    this.poses = [];
    this.note();
    this.show();
  }

  /** Record the current pose; of several poses at one time the last. */
  note() {
    if (!this.recording) return;
    const time = this.clock();
    if (this.poses.at(-1)?.time === time) this.poses.pop();
    this.poses.push({ time, weights: Float64Array.from(this.rig.weights) });
  }

  /** End with the current pose; return one track per family that was not at rest all the time. */
  stop(title) {
    this.note();
    const poses = this.poses;
    this.poses = null;
    this.show();
    const times = poses.map(({ time }) => time - poses[0].time);
    return this.rig.families
      .map(({ name, title: family, first, names }) => ({
        title: `${title} · ${family}`,
        family: name,
        source: "recorded on the page",
        times,
        weights: poses.map(({ weights }) => Array.from(weights.subarray(first, first + names.length))),
      }))
      .filter(({ weights }) => weights.some((row) => row.some((weight) => weight !== 0)));
  }

  show() {
    $("record").textContent = this.recording ? "Stop" : "Record";
    $("record").setAttribute("aria-pressed", this.recording);
  }
}
