// Distances over the surface of the mesh, not through the head: from lip to lip around the corner of the mouth.

/** The mesh as straight ways between vertices: its edges, and over each edge from one opposite corner to the other. */
export class Surface {
  /** `places` [V, 3] in millimetres, `faces` [T, 3]. */
  constructor(places, faces, count) {
    const place = (vertex) => places.subarray(3 * vertex, 3 * vertex + 3);
    const ways = [];
    const corners = new Map(); // edge to the corner opposite to it in the first triangle that has it
    for (let at = 0; at < faces.length; at += 3) {
      for (let side = 0; side < 3; side++) {
        const [a, b, c] = [0, 1, 2].map((step) => faces[at + ((side + step) % 3)]);
        const edge = a < b ? a * count + b : b * count + a;
        const other = corners.get(edge);
        if (other === undefined) {
          corners.set(edge, c);
          ways.push([a, b, Math.hypot(...minus(place(a), place(b)))]);
        } else {
          ways.push([c, other, unfolded(place(a), place(b), place(c), place(other))]);
        }
      }
    }
    this.starts = new Uint32Array(count + 1); // of the ways from each vertex
    for (const way of ways) for (const end of [0, 1]) this.starts[way[end] + 1] += 1;
    for (let vertex = 0; vertex < count; vertex++) this.starts[vertex + 1] += this.starts[vertex];
    this.near = new Uint32Array(2 * ways.length);
    this.lengths = new Float32Array(2 * ways.length);
    const next = this.starts.slice();
    for (const way of ways) {
      for (const end of [0, 1]) {
        this.near[next[way[end]]] = way[1 - end];
        this.lengths[next[way[end]]++] = way[2];
      }
    }
  }

  /** Return the length of the shortest path from `sources`, pairs of a vertex and its distance, to every vertex [V], in
      millimetres; infinite where there is none. Vertices wait by whole millimetres (Meyer & Sanders 2003, Δ-stepping). */
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

const minus = ([x, y, z], [u, v, w]) => [x - u, y - v, z - w];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Return how far c and d are from each other with their triangles on a and b laid flat; infinite past the edge's ends. */
function unfolded(a, b, c, d) {
  const edge = minus(b, a);
  const length = Math.sqrt(dot(edge, edge));
  const [[x, y], [u, v]] = [c, d].map((corner) => {
    const away = minus(corner, a);
    const along = dot(away, edge) / length;
    return [along, Math.sqrt(Math.max(dot(away, away) - along ** 2, 0))];
  });
  const crossing = x + ((u - x) * y) / (y + v);
  return crossing >= 0 && crossing <= length ? Math.hypot(x - u, y + v) : Infinity;
}
