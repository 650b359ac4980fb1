// Distances along the surface of the mesh, not through the head: from lip to lip around the corner of the mouth.

/** Graph of straight paths between vertices: the edges, and paths across each edge between its opposite corners. */
export class Surface {
  /** `places` [V, 3] in millimeters, `faces` [T, 3]. */
  constructor(places, faces, count) {
    const corner = (at, step) => faces[at - (at % 3) + ((at + step) % 3)];
    const [starts, sides] = grouped(count, faces.length, (at) => faces[at]); // sides of triangles by their first vertex
    const ends = new Uint32Array(2 * faces.length); // upper bound of the paths, two entries each
    const lengths = new Float32Array(faces.length);
    let ways = 0;
    const add = (a, b, length) => {
      ends[2 * ways] = a;
      ends[2 * ways + 1] = b;
      lengths[ways++] = length;
    };
    for (let at = 0; at < faces.length; at++) {
      const [a, b, c] = [faces[at], corner(at, 1), corner(at, 2)];
      let other = -1; // the corner opposite to the same edge
      for (let next = starts[b]; next < starts[b + 1]; next++) {
        if (corner(sides[next], 1) === a) other = corner(sides[next], 2);
      }
      if (other < 0 || a < b) add(a, b, apart(places, a, b));
      else add(c, other, unfolded(places, a, b, c, other));
    }
    [this.starts, this.near] = grouped(count, 2 * ways, (end) => ends[end]);
    this.lengths = Float32Array.from(this.near, (end) => lengths[end >> 1]);
    this.near = this.near.map((end) => ends[end ^ 1]);
  }

  /** Return the length of the shortest path from `sources`, pairs of a vertex and its distance, to every vertex [V], in
      millimeters; infinite where there is none. Vertices wait by whole millimeters (Meyer & Sanders 2003, Δ-stepping). */
  distances(sources) {
    const found = new Float64Array(this.starts.length - 1).fill(Infinity);
    const waiting = [];
    const reach = (vertex, distance) => {
      if (distance >= found[vertex]) return;
      found[vertex] = distance;
      (waiting[Math.floor(distance)] ??= []).push(vertex);
    };
    for (const [vertex, distance] of sources) reach(vertex, distance);
    for (let millimetre = 0; millimetre < waiting.length; millimetre++) {
      for (const vertex of waiting[millimetre] ?? []) {
        for (let way = this.starts[vertex]; way < this.starts[vertex + 1]; way++) {
          reach(this.near[way], found[vertex] + this.lengths[way]);
        }
      }
    }
    return found;
  }
}

/** Return the start of each of `count` groups, and the items, 0 to `items` - 1, group by group. */
function grouped(count, items, groupOf) {
  const starts = new Uint32Array(count + 1);
  for (let item = 0; item < items; item++) starts[groupOf(item) + 1] += 1;
  for (let group = 0; group < count; group++) starts[group + 1] += starts[group];
  const [order, next] = [new Uint32Array(items), starts.slice()];
  for (let item = 0; item < items; item++) order[next[groupOf(item)]++] = item;
  return [starts, order];
}

function apart(places, a, b) {
  let sum = 0;
  for (let axis = 0; axis < 3; axis++) sum += (places[3 * a + axis] - places[3 * b + axis]) ** 2;
  return Math.sqrt(sum);
}

/** Return the distance of c and d with their triangles on edge a, b unfolded; infinite past the edge's ends. */
function unfolded(places, a, b, c, d) {
  const edge = apart(places, a, b);
  const flat = (corner) => {
    const [first, second] = [apart(places, a, corner), apart(places, b, corner)];
    const along = (first ** 2 - second ** 2 + edge ** 2) / (2 * edge);
    return [along, Math.sqrt(Math.max(first ** 2 - along ** 2, 0))];
  };
  const [[x, y], [u, v]] = [flat(c), flat(d)];
  const crossing = x + ((u - x) * y) / (y + v);
  return crossing >= 0 && crossing <= edge ? Math.hypot(x - u, y + v) : Infinity;
}
