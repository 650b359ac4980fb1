// Finds the points of a face in an image by two small networks: `splatrig.landmarks.network` in the page.

export const POINTS = 468;
const MINIMUM_SCORE = 0.2; // least confidence of a face
const MARGIN = 1.5; // side of the crop for the second network, relative to that of the face's box
const OVERLAP = 0.3; // detections that overlap the best one by more than this are averaged with it
const EYE_CORNERS = [33, 263]; // right and left outer corner, which give the roll of the face
const LOST = 0.5; // the score of the second network below which the whole image is searched again

/** Return the matrix [a, b, c, d, e, f] from pixels of a crop, at `size` × `size`, to those of the image. */
function toImage({ center: [x, y], side, angle }, size) {
  const [c, s] = [(side / size) * Math.cos(angle), (side / size) * Math.sin(angle)];
  return [c, -s, s, c, x - (size / 2) * (c - s), y - (size / 2) * (s + c)];
}

/** The square crop `{ center [2], side, angle }` of images as values [size, size, 3]; black outside of them. */
class Cropper {
  constructor(size) {
    this.size = size;
    this.context = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
    this.context.imageSmoothingQuality = "high";
    this.pixels = new Float32Array(size * size * 3);
  }

  /** Return the pixels as `scale` · value + `shift`. */
  take(image, { center: [x, y], side, angle }, scale, shift) {
    const { context, size, pixels } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillRect(0, 0, size, size);
    context.translate(size / 2, size / 2);
    context.scale(size / side, size / side);
    context.rotate(-angle);
    context.translate(-x, -y);
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, size, size);
    for (let from = 0, to = 0; to < pixels.length; from += 4) {
      for (let channel = 0; channel < 3; channel++) pixels[to++] = scale * data[from + channel] + shift;
    }
    return pixels;
  }
}

export class FaceFinder {
  /** `detector` and `mesh` are networks: `size` of their image, and `run(pixels)`, which returns its outputs by length. */
  constructor(detector, mesh) {
    Object.assign(this, { detector, mesh, crop: null });
    this.whole = new Cropper(detector.size);
    this.face = new Cropper(mesh.size);
    this.anchors = anchors();
  }

  /** Return the points [468 · 3] of the clearest face of an image, or null: pixels, x to the right, y down, z away.
      A face is followed from image to image, and searched for if there was none. */
  async find(image) {
    const rounds = this.crop ? 1 : 2; // the second crop is placed around the points of the first
    this.crop ??= await this.detect(image);
    let found = null;
    for (let round = 0; round < rounds && this.crop; round++) {
      found = await this.locate(image, this.crop);
      this.crop = found && around(found.points);
    }
    if (found && found.score < LOST) this.crop = null;
    return found && found.points;
  }

  /** Return the crop around the clearest face, upright, or null. */
  async detect(image) {
    const { size } = this.detector;
    const { width, height } = image;
    const whole = { center: [width / 2, height / 2], side: Math.max(width, height), angle: 0 };
    const outputs = await this.detector.run(this.whole.take(image, whole, 1 / 127.5, -1));
    const count = this.anchors.length / 2;
    const [regressed, scores] = [outputs.get(16 * count), outputs.get(count).map(sigmoid)];
    const best = scores.indexOf(Math.max(...scores));
    if (scores[best] < MINIMUM_SCORE) return null;
    const place = (row, at) => [0, 1].map((axis) => regressed[16 * row + at + axis] / size + this.anchors[2 * row + axis]);
    const box = (row) => [0, 1].map((axis) => regressed[16 * row + 2 + axis] / size);
    const sums = { weight: 0, center: [0, 0], box: [0, 0], right: [0, 0], left: [0, 0] };
    for (let row = 0; row < count; row++) {
      if (scores[row] < MINIMUM_SCORE) continue;
      if (overlap(place(row, 0), box(row), place(best, 0), box(best)) < OVERLAP) continue;
      sums.weight += scores[row];
      const values = { center: place(row, 0), box: box(row), right: place(row, 4), left: place(row, 6) };
      for (const [name, value] of Object.entries(values)) value.forEach((number, axis) => (sums[name][axis] += scores[row] * number));
    }
    const mean = (name) => sums[name].map((sum) => sum / sums.weight);
    const [[x, y], [right, left]] = [mean("center"), [mean("right"), mean("left")]];
    const corner = [width / 2 - whole.side / 2, height / 2 - whole.side / 2];
    return {
      center: [corner[0] + x * whole.side, corner[1] + y * whole.side],
      side: Math.max(...mean("box")) * whole.side * MARGIN,
      angle: Math.atan2(left[1] - right[1], left[0] - right[0]),
    };
  }

  /** Return the points in the image and their score, or null if the second network sees no face. */
  async locate(image, crop) {
    const { size } = this.mesh;
    const outputs = await this.mesh.run(this.face.take(image, crop, 1 / 255, 0));
    const score = sigmoid(outputs.get(1)[0]);
    if (score < MINIMUM_SCORE) return null;
    const seen = outputs.get(3 * POINTS);
    const [a, b, c, d, e, f] = toImage(crop, size);
    const points = new Float64Array(3 * POINTS);
    for (let at = 0; at < points.length; at += 3) {
      const [x, y, z] = seen.subarray(at, at + 3);
      points.set([a * x + b * y + e, c * x + d * y + f, (z * crop.side) / size], at);
    }
    return { points, score };
  }
}

/** Return the upright crop around the points of a face. */
export function around(points) {
  const [right, left] = EYE_CORNERS.map((point) => points.subarray(3 * point, 3 * point + 2));
  const angle = Math.atan2(left[1] - right[1], left[0] - right[0]);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (let at = 0; at < points.length; at += 3) {
    const upright = [c * points[at] + s * points[at + 1], c * points[at + 1] - s * points[at]];
    upright.forEach((value, axis) => {
      low[axis] = Math.min(low[axis], value);
      high[axis] = Math.max(high[axis], value);
    });
  }
  const [x, y] = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
  return { center: [c * x - s * y, s * x + c * y], side: MARGIN * Math.max(high[0] - low[0], high[1] - low[1]), angle };
}

/** Return the positions in [0, 1]² that the detector's rows are relative to: two per cell of 16², six of 8². */
function anchors() {
  const places = [];
  for (const [cells, count] of [[16, 2], [8, 6]]) {
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        for (let k = 0; k < count; k++) places.push((column + 0.5) / cells, (row + 0.5) / cells);
      }
    }
  }
  return places;
}

/** Return the intersection over union of two boxes, given by centers and sizes. */
function overlap(center, size, otherCenter, otherSize) {
  const common = [0, 1].map((axis) => {
    const low = Math.max(center[axis] - size[axis] / 2, otherCenter[axis] - otherSize[axis] / 2);
    const high = Math.min(center[axis] + size[axis] / 2, otherCenter[axis] + otherSize[axis] / 2);
    return Math.max(high - low, 0);
  });
  const both = common[0] * common[1];
  return both / Math.max(size[0] * size[1] + otherSize[0] * otherSize[1] - both, 1e-12);
}

const sigmoid = (value) => 1 / (1 + Math.exp(-value));
