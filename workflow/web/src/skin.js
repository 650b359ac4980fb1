// Gaussians that rotate and scale with the skin below them, if components only move centers: `components/skin.py`.

import { unpackArray } from "./unpack.js";

/**
 * Return the skin of a head, null if no Gaussian follows it: `rest` and `moved` [V, 6], the images f1 and f2 of the tangents
 * and their change in the rest face, and their change by each component, `changes` [K, V, 6] in `steps` [K].
 */
export function unpackSkin(header, buffer, { families, steps, xyz, count }) {
  if (!families.some(({ follows }) => follows)) return null;
  const [starts, near, shares, rest, moved] = ["starts", "near", "shares", "rest", "moved"].map((name) =>
    unpackArray(header, buffer, `skin_${name}`),
  );
  const vertices = starts.length - 1;
  const changes = new Int16Array(steps.length * vertices * 6);
  const values = new Float32Array(vertices * 6);
  const stepOf = (component) => {
    const first = 3 * component * count;
    values.fill(0);
    for (let vertex = 0; vertex < vertices; vertex++) {
      for (let at = starts[vertex]; at < starts[vertex + 1]; at++) {
        for (let axis = 0; axis < 3; axis++) {
          const move = steps[component][0] * xyz[first + 3 * near[at] + axis];
          values[6 * vertex + axis] += shares[2 * at] * move;
          values[6 * vertex + 3 + axis] += shares[2 * at + 1] * move;
        }
      }
    }
    const step = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 32767;
    if (step > 0) values.forEach((value, at) => (changes[component * vertices * 6 + at] = Math.round(value / step)));
    return step;
  };
  const followed = families.flatMap(({ names, follows }) => names.map(() => follows));
  return { vertices, rest, moved, changes, steps: followed.map((follows, k) => (follows ? stepOf(k) : 0)) };
}

export const FOLLOW = `
// f1 and f2 without their stretch, and their normal (polar decomposition); false where they are flat
bool head_unstretched(vec3 f1, vec3 f2, out mat3 frame) {
  vec3 normal = cross(f1, f2);
  float area = length(normal);
  if (!(area > 0.001)) return false;
  float aa = dot(f1, f1), bb = dot(f2, f2), ab = dot(f1, f2);
  float below = 1.0 / (area * sqrt(aa + bb + 2.0 * area));
  frame = mat3(((bb + area) * f1 - ab * f2) * below, ((aa + area) * f2 - ab * f1) * below, normal / area);
  return true;
}

mat3 head_matrix(vec4 q) { // of a unit quaternion wxyz
  float w = q.x, x = q.y, y = q.z, z = q.w;
  return mat3(
    1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
    2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
    2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)
  );
}

vec4 head_quaternion(mat3 m) { // wxyz, by its largest entry
  vec4 s = 1.0 + vec4(
    m[0].x + m[1].y + m[2].z, m[0].x - m[1].y - m[2].z, -m[0].x + m[1].y - m[2].z, -m[0].x - m[1].y + m[2].z
  );
  float most = max(max(s.x, s.y), max(s.z, s.w));
  vec3 turned = vec3(m[1].z - m[2].y, m[2].x - m[0].z, m[0].y - m[1].x);
  vec3 mixed = vec3(m[0].y + m[1].x, m[2].x + m[0].z, m[1].z + m[2].y); // xy, xz, yz
  if (most == s.x) return normalize(vec4(s.x, turned));
  if (most == s.y) return normalize(vec4(turned.x, s.y, mixed.xy));
  if (most == s.z) return normalize(vec4(turned.y, mixed.x, s.z, mixed.z));
  return normalize(vec4(turned.z, mixed.yz, s.w));
}

// rotate and scale a Gaussian with a skin whose tangents r1, r2 change by d1, d2; axes grow at most twofold
void head_follow(vec3 r1, vec3 r2, vec3 d1, vec3 d2, inout vec4 quat, inout vec3 logScale) {
  mat3 before, after;
  vec3 f1 = r1 + d1, f2 = r2 + d2;
  if ((d1 == vec3(0.0) && d2 == vec3(0.0)) || !head_unstretched(r1, r2, before) || !head_unstretched(f1, f2, after)) return;
  mat3 turn = head_matrix(normalize(quat));
  mat3 grown = mat3(f1, f2, after[2]) * inverse(mat3(r1, r2, before[2])) * turn;
  for (int axis = 0; axis < 3; ++axis) {
    logScale[axis] += 0.5 * log(clamp(dot(grown[axis], grown[axis]), 1.0, 4.0));
  }
  quat = head_quaternion(after * transpose(before) * turn);
}
`;
