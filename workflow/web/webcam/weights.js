// Computes weights of ARKit's blendshapes and the head's rotation from the points of a face: `splatrig.landmarks.responses`.
//
// The network moves its points less than the face moves, and each blendshape also moves points that it should not. So the
// points are not compared with shapes but with the network's response to each blendshape on a known head.

const REST_S = 1, REST_FACES = 3; // duration of the calibration at rest, and its least number of images
const DEPTH = 0.3; // weight of depth relative to the image plane, since the network guesses it
const PRICE = 1; // mm² of a weight of 1: l1 penalty
const RIDGE = 20; // mm² of a weight of 1, squared: ridge penalty, for blendshapes that the network hardly shows
const ROUNDS = 60; // rounds of coordinate descent
const CUTOFF_HZ = 2, SPEED = 2; // cutoff of the filter at a standstill, and its increase per weight per second

/** Tracker of one face from image to image. */
export class Follower {
  /** `finder` finds points; `responses` are names [K], points [L], stable [..] rows of them, neutral [L · 3], shapes [K][L · 3]. */
  constructor(finder, responses) {
    Object.assign(this, { finder, responses });
    this.solve = solver(responses);
    this.rest();
  }

  /** Use the images of the next second as the face at rest. */
  rest() {
    Object.assign(this, { faces: [], began: null, neutral: null, filter: smoother() });
  }

  /** Return weights by name and the head's rotation (quaternion xyzw) for an image at a time in seconds; `resting` while the
      face at rest is measured, null without a face. */
  async look(image, time) {
    const found = await this.finder.find(image);
    if (found === null) return null;
    const { points, stable, neutral: template, names } = this.responses;
    const face = Float64Array.from(points.flatMap((point) => [found[3 * point], -found[3 * point + 1], -found[3 * point + 2]]));
    if (this.neutral === null) {
      this.began ??= time;
      this.faces.push(face);
      if (time - this.began < REST_S || this.faces.length < REST_FACES) return { resting: true };
      const middle = median(this.faces);
      const laid = fit(template, middle, stable);
      Object.assign(this, { neutral: back(laid, middle), restTurn: laid.quat });
    }
    const pose = fit(this.neutral, face, stable);
    const moved = back(pose, face).map((value, at) => value - this.neutral[at]);
    const turn = multiplied(pose.quat, conjugate(this.restTurn));
    const smooth = this.filter([...this.solve(moved), ...turn], time);
    return {
      weights: Object.fromEntries(names.map((name, k) => [name, Number(smooth[k].toFixed(3))])),
      turn: unit(smooth.slice(names.length)),
    };
  }
}

/** Return the similarity { quat, scale, from, to } that maps points [L · 3] to others in least squares over some rows: the
    rotation by Horn (1987), the centroids of both, and the ratio of sizes. */
export function fit(points, others, rows) {
  const middle = (all) => [0, 1, 2].map((axis) => rows.reduce((sum, row) => sum + all[3 * row + axis], 0) / rows.length);
  const [from, to] = [middle(points), middle(others)];
  const S = [0, 1, 2].map(() => [0, 0, 0]);
  let size = 0;
  for (const row of rows) {
    for (let i = 0; i < 3; i++) {
      const a = points[3 * row + i] - from[i];
      size += a * a;
      for (let j = 0; j < 3; j++) S[i][j] += a * (others[3 * row + j] - to[j]);
    }
  }
  const [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = S;
  const quat = foremost([
    [xx - yy - zz, xy + yx, zx + xz, yz - zy],
    [xy + yx, yy - xx - zz, yz + zy, zx - xz],
    [zx + xz, yz + zy, zz - xx - yy, xy - yx],
    [yz - zy, zx - xz, xy - yx, xx + yy + zz],
  ]);
  const R = matrix(quat);
  let along = 0;
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) along += R[j][i] * S[i][j];
  return { quat, scale: along / size, from, to };
}

/** Return points [L · 3] transformed by the inverse of a similarity. */
export function back({ quat, scale, from, to }, points) {
  const R = matrix(quat);
  return points.map((_, at) => {
    const [first, axis] = [at - (at % 3), at % 3];
    return from[axis] + [0, 1, 2].reduce((sum, j) => sum + R[j][axis] * (points[first + j] - to[j]), 0) / scale;
  });
}

/** Return the unit eigenvector of the largest eigenvalue of a symmetric 4 × 4 matrix, its last entry not negative. */
function foremost(M) {
  const shift = Math.sqrt(M.flat().reduce((sum, value) => sum + value * value, 0)) || 1;
  let power = M.map((row, i) => row.map((value, j) => value / shift + (i === j ? 1 : 0)));
  for (let round = 0; round < 10; round++) {
    power = power.map((row) => power.map((_, j) => row.reduce((sum, value, k) => sum + value * power[k][j], 0)));
    const largest = Math.max(...power.flat().map(Math.abs));
    power = power.map((row) => row.map((value) => value / largest));
  }
  const column = [0, 1, 2, 3].reduce((best, j) => (power[j][j] > power[best][best] ? j : best), 0);
  const vector = unit(power.map((row) => row[column]));
  return vector[3] < 0 ? vector.map((value) => -value) : vector;
}

/** Return a function from displacements of points [L · 3], millimeters, to weights in [0, 1]: least squares with an l1 penalty and
    a ridge penalty, after removing rigid motion of the head. */
export function solver({ neutral, shapes }) {
  const weight = (at) => (at % 3 === 2 ? DEPTH : 1);
  const weighted = (vector) => Float64Array.from(vector, (value, at) => weight(at) * value);
  const rigid = orthonormal(motions(neutral).map(weighted));
  const without = (vector) => {
    for (const mode of rigid) {
      const part = dot(mode, vector);
      vector = vector.map((value, at) => value - part * mode[at]);
    }
    return vector;
  };
  const rows = shapes.map((shape) => without(weighted(shape)));
  const gram = rows.map((row) => rows.map((other) => dot(row, other)));
  return (moved) => {
    const seen = weighted(moved); // the rows are free of rigid motion, and so are their products
    const moments = rows.map((row) => dot(row, seen) - PRICE);
    const w = new Float64Array(rows.length);
    for (let round = 0; round < ROUNDS; round++) {
      for (let k = 0; k < w.length; k++) {
        const rest = moments[k] - dot(gram[k], w) + gram[k][k] * w[k];
        w[k] = Math.min(Math.max(rest / (gram[k][k] + RIDGE), 0), 1);
      }
    }
    return w;
  };
}

/** Return the infinitesimal rigid motions and the scaling of points [L · 3], as displacements [7][L · 3]. */
function motions(points) {
  const middle = [0, 1, 2].map((axis) => points.reduce((sum, value, at) => sum + (at % 3 === axis ? value : 0), 0) / (points.length / 3));
  const out = points.map((value, at) => value - middle[at % 3]);
  const shifts = [0, 1, 2].map((axis) => points.map((_, at) => (at % 3 === axis ? 1 : 0)));
  const turns = [0, 1, 2].map((axis) => {
    const [next, last] = [(axis + 1) % 3, (axis + 2) % 3];
    return points.map((_, at) => (at % 3 === next ? -out[at - next + last] : at % 3 === last ? out[at - last + next] : 0));
  });
  return [...shifts, ...turns, out];
}

/** Return orthonormal vectors that span the same space as the given ones. */
function orthonormal(vectors) {
  const found = [];
  for (const vector of vectors) {
    let left = vector;
    for (const other of found) {
      const part = dot(other, left);
      left = left.map((value, at) => value - part * other[at]);
    }
    found.push(unit(left));
  }
  return found;
}

/** Return a low-pass filter of vectors over time whose cutoff rises with their speed: Casiez et al. 2012, "1 € filter". */
export function smoother() {
  let last = null;
  const share = (cutoff, step) => 1 / (1 + 1 / (2 * Math.PI * cutoff * step));
  return (values, time) => {
    if (last === null) last = { values, speeds: values.map(() => 0), time };
    const step = Math.max(time - last.time, 1e-3);
    const speeds = values.map((value, k) => last.speeds[k] + share(1, step) * ((value - last.values[k]) / step - last.speeds[k]));
    const next = values.map((value, k) => {
      const cutoff = CUTOFF_HZ + SPEED * Math.abs(speeds[k]);
      return last.values[k] + share(cutoff, step) * (value - last.values[k]);
    });
    last = { values: next, speeds, time };
    return next;
  };
}

/** Return the entry-wise median of vectors. */
function median(vectors) {
  return vectors[0].map((_, at) => vectors.map((vector) => vector[at]).sort((a, b) => a - b)[vectors.length >> 1]);
}

const dot = (a, b) => {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
};
const unit = (vector) => {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / length);
};
const conjugate = ([x, y, z, w]) => [-x, -y, -z, w];

/** Return the rotation by `b`, then by `a`; quaternions xyzw. */
function multiplied([ax, ay, az, aw], [bx, by, bz, bw]) {
  return [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ];
}

/** Return the rotation matrix [3][3] of a quaternion xyzw. */
function matrix([x, y, z, w]) {
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
  ];
}
