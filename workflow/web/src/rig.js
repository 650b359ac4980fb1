// The head on the CPU, to pick points and solve for weights. The first Gaussians are the vertices of the mesh.

import { unpackSkin } from "./skin.js";
import { Surface } from "./surface.js";
import { unpackArray, unpackColumns, unpackComponents, unpackRows } from "./unpack.js";

export class Rig {
  constructor(header, buffer) {
    this.header = header;
    this.count = header.gaussians;
    this.means = unpackColumns(header, buffer, "means"); // [N, 3] millimeters
    this.quats = unpackColumns(header, buffer, "quats"); // [N, 4] wxyz
    this.logScales = unpackColumns(header, buffer, "log_scales"); // [N, 3]
    this.opacities = unpackColumns(header, buffer, "opacities"); // [N] in (0, 1)
    this.sh0 = unpackColumns(header, buffer, "sh0"); // [N, 3]
    this.shN = unpackRows(header, buffer, "shN", { width: 45, bits: 8 }); // [N, 15, 3] steps
    this.shNStep = header.shN_step;
    this.faces = unpackArray(header, buffer, "faces"); // [T, 3]
    this.mask = unpackArray(header, buffer, "mask"); // 1 for vertices of the face
    Object.assign(this, unpackComponents(header, buffer)); // xyz [K, N, 3], fine [K, N, 10], faint [K, N]: steps
    this.steps = header.steps; // [K][5]: value of a step of xyz, f_dc, rotation, scale, opacity
    this.families = header.families; // name, title, names, low, high, limits, presets, first
    this.components = this.steps.length;
    this.weights = new Float64Array(this.components);
    this.low = new Float64Array(this.components);
    this.high = new Float64Array(this.components);
    for (const family of this.families) {
      family.names.forEach((_, k) => {
        const index = family.first + k;
        this.low[index] = family.low[k];
        this.high[index] = family.high[k];
      });
    }
    this.positions = new Float32Array(this.means);
    this.skin = unpackSkin(header, buffer, this); // null: no Gaussian follows it
  }

  /** Return the `positions` [N, 3] of all Gaussians for the current weights, in millimeters. */
  place() {
    const { positions, xyz, count } = this;
    positions.set(this.means);
    for (let k = 0; k < this.components; k++) {
      if (this.weights[k] === 0) continue;
      const scale = this.weights[k] * this.steps[k][0];
      const first = k * count * 3;
      for (let i = 0; i < count * 3; i++) positions[i] += scale * xyz[first + i];
    }
    return positions;
  }

  /** Return the largest displacement of a Gaussian by a component, in millimeters per unit of weight. */
  farthest(component) {
    const first = component * this.count * 3;
    let most = 0;
    for (let at = first; at < first + 3 * this.count; at += 3) {
      most = Math.max(most, this.xyz[at] ** 2 + this.xyz[at + 1] ** 2 + this.xyz[at + 2] ** 2);
    }
    return Math.sqrt(most) * this.steps[component][0];
  }

  /** Return the vertex of the mesh that a component moves most. */
  centerOf(component) {
    if (this.centers === undefined) {
      this.centers = this.steps.map((_, k) => {
        let [most, vertex] = [-1, 0];
        for (let i = 0; i < this.mask.length; i++) {
          const at = 3 * (k * this.count + i);
          const moved = this.xyz[at] ** 2 + this.xyz[at + 1] ** 2 + this.xyz[at + 2] ** 2;
          if (moved > most) [most, vertex] = [moved, i];
        }
        return vertex;
      });
    }
    return this.centers[component];
  }

  /** Return the distances [V] of the vertices at rest from a point of the surface, along the surface, in millimeters. */
  distancesFrom({ vertices, mix }) {
    this.surface ??= new Surface(this.means, this.faces, this.mask.length);
    const place = (vertex) => this.means.subarray(3 * vertex, 3 * vertex + 3);
    const point = [0, 1, 2].map((axis) => vertices.reduce((sum, v, corner) => sum + mix[corner] * place(v)[axis], 0));
    return this.surface.distances(
      vertices.map((vertex) => [vertex, Math.hypot(...point.map((value, axis) => value - place(vertex)[axis]))]),
    );
  }

  /** Return the position of a point of the surface: `vertices` [3] weighted by `mix` [3]. */
  pointAt({ vertices, mix }) {
    const point = [0, 0, 0];
    for (let axis = 0; axis < 3; axis++) {
      for (let corner = 0; corner < 3; corner++) {
        const column = 3 * vertices[corner] + axis;
        let value = this.means[column];
        for (let k = 0; k < this.components; k++) {
          if (this.weights[k] !== 0) {
            value += this.weights[k] * this.steps[k][0] * this.xyz[k * this.count * 3 + column];
          }
        }
        point[axis] += mix[corner] * value;
      }
    }
    return point;
  }

  /** Return the displacement of a point of the surface per unit of every weight, [3][K], in millimeters. */
  jacobianAt({ vertices, mix }) {
    return [0, 1, 2].map((axis) => {
      const row = new Float64Array(this.components);
      for (let k = 0; k < this.components; k++) {
        for (let corner = 0; corner < 3; corner++) {
          row[k] += mix[corner] * this.steps[k][0] * this.xyz[(k * this.count + vertices[corner]) * 3 + axis];
        }
      }
      return row;
    });
  }
}

/**
 * Return the foremost point of the surface under (x, y): triangle, vertices and their weights (`mix`), or null.
 * `project(point [3])` returns [x, y, depth] in the same units as x and y; depth increases away from the viewer.
 */
export function pick(rig, x, y, project) {
  const { faces, positions } = rig;
  const seen = new Float32Array(rig.count * 3);
  for (let i = 0; i < rig.count; i++) {
    seen.set(project([positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]]), 3 * i);
  }
  let best = null;
  for (let t = 0; t < faces.length; t += 3) {
    const a = 3 * faces[t], b = 3 * faces[t + 1], c = 3 * faces[t + 2];
    if (seen[a + 2] <= 0 || seen[b + 2] <= 0 || seen[c + 2] <= 0) continue;
    const bx = seen[b] - seen[a], by = seen[b + 1] - seen[a + 1];
    const cx = seen[c] - seen[a], cy = seen[c + 1] - seen[a + 1];
    const area = bx * cy - by * cx;
    if (area === 0) continue;
    const px = x - seen[a], py = y - seen[a + 1];
    const v = (px * cy - py * cx) / area, w = (bx * py - by * px) / area;
    if (v < 0 || w < 0 || v + w > 1) continue;
    const depth = (1 - v - w) * seen[a + 2] + v * seen[b + 2] + w * seen[c + 2];
    if (best === null || depth < best.depth) {
      best = { depth, vertices: [faces[t], faces[t + 1], faces[t + 2]], mix: [1 - v - w, v, w] };
    }
  }
  return best;
}
