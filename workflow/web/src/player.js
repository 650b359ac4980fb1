// Playback of tracks: the chosen one, the time in it, and the behavior at its end.

const $ = (id) => document.getElementById(id);
const SHORT_TRACK_S = 0.5; // tracks of a few frames start in slow motion, back and forth

export class Player {
  /** `apply(track, time)` poses the head; `onStop()` is called when a playing track stops. */
  constructor(tracks, apply, onStop) {
    Object.assign(this, { tracks, apply, onStop });
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
    if (!this.playing) return;
    this.playing = false;
    $("play").textContent = "Play";
    this.onStop();
  }

  /** Go to a time of the track, in seconds. */
  seek(time) {
    this.time = time;
    this.show();
  }

  show() {
    if (!this.track) return;
    this.showTime();
    this.apply(this.track, this.time);
  }

  showTime() {
    $("time").max = this.duration;
    $("time").value = this.time;
    $("seconds").textContent = `${this.time.toFixed(1)} of ${this.duration.toFixed(1)} s`;
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

  /** Continue at an end of the track as the user chose. */
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
