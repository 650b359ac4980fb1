// A webcam as live input: asks for consent and lets a worker find the face in its images, which never leave the page.

import { say } from "./panel.js";

const $ = (id) => document.getElementById(id);
const WANTED = { width: 640, height: 480, frameRate: 30, facingMode: "user" };
const REFUSED = {
  NotAllowedError: "the browser does not allow it for this page; allow it in the address bar and try again",
  NotFoundError: "no webcam was found; connect one and try again",
  NotReadableError: "another program is using it; close that program and try again",
};

/** Return the webcam as a source for `Live`; `unpack(id)` returns a part of the page. */
export const webcam = (unpack) => ({
  button: "webcam",
  follows: "The face follows the webcam.",
  misses: (seconds) => `No face in the image of the webcam for ${seconds} s: look into it, with light from the front.`,
  open: (live) => new Webcam(live, unpack),
});

class Webcam {
  constructor(live, unpack) {
    Object.assign(this, { live, unpack, closed: false, seen: 0 });
    this.start().catch((error) => this.closed || live.stop(`The webcam: ${REFUSED[error.name] ?? error.message}.`, true));
  }

  async start() {
    if (!(await agreed())) return this.closed || this.live.stop("The webcam stays off.");
    this.stream = await navigator.mediaDevices.getUserMedia({ video: WANTED });
    if (this.closed) return this.close();
    say("Unpacking the networks …");
    $("preview").srcObject = this.stream;
    $("preview").hidden = false;
    const carried = [...document.querySelectorAll("script[data-webcam]")]; // by splatrig.control.web.webcam
    const parts = Object.fromEntries(
      await Promise.all(carried.map(async ({ id, dataset }) => [dataset.webcam, await this.unpack(id)])),
    );
    await $("preview").play();
    if (this.closed) return;
    const url = URL.createObjectURL(new Blob([parts["worker.js"]], { type: "text/javascript" }));
    this.worker = new Worker(url);
    URL.revokeObjectURL(url);
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = ({ message }) => this.live.stop(`The webcam: ${message}.`, true);
    this.worker.postMessage({ parts }, Object.values(parts));
  }

  /** Use the worker's result for the last image, and send it the next one. */
  hear({ error, seen }) {
    if (this.closed) return;
    if (error) return this.live.stop(`The webcam: ${error}.`, true);
    if (seen === undefined) this.live.wait();
    if (seen) this.seen += 1;
    if (seen?.resting) this.rests();
    else if (seen) this.live.take(seen.weights, seen.turn);
    this.next();
  }

  /** Send the next image of the webcam to the worker when it arrives. */
  next() {
    const video = $("preview");
    const send = async () => {
      const image = await createImageBitmap(video).catch(() => null);
      if (this.closed) return image?.close();
      if (image === null) return this.next();
      this.worker.postMessage({ image, time: performance.now() / 1000 }, [image]);
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(send);
    else requestAnimationFrame(send);
  }

  rests() {
    say("Look into the webcam with a face at rest, for a second …");
    this.live.wait();
  }

  /** Use the expression of the next second as the face at rest. */
  calibrate() {
    this.worker.postMessage({ rest: true });
    this.rests();
  }

  close() {
    this.closed = true;
    $("ask-webcam").close();
    this.worker?.terminate();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    $("preview").srcObject = null;
    $("preview").hidden = true;
  }
}

/** Ask for consent to use the webcam; return whether it was given. */
function agreed() {
  const dialog = $("ask-webcam");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "look"), { once: true }));
}
