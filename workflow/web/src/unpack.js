// Decode the arrays of the file, which residuals.py and pack.py have encoded.

const ARRAYS = { u8: Uint8Array, i16: Int16Array, u32: Uint32Array, i32: Int32Array, f32: Float32Array };

function damaged(found, expected) {
  return new Error(`This page is damaged: it holds ${found}, expected ${expected}; copy it again from where it is whole.`);
}

/** Return the typed array `name` of the packed bytes, as the header describes it. */
export function unpackArray(header, buffer, name) {
  const { dtype, offset, count } = header.arrays[name];
  const end = offset + count * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (end > buffer.byteLength) throw damaged(`${buffer.byteLength} bytes of the head`, `at least ${end}`);
  return new ARRAYS[dtype](buffer, offset, count);
}

/**
 * Return `sets` times `rows` times `width` integers of 8 or 16 bits, from the differences of their rows to the mean of two
 * earlier rows, `parents` [rows][2]; without parents, or with -1, to 0. Rows that are not stored have no difference.
 */
export function unpackRows(header, buffer, name, { sets = 1, width, bits, parents = null }) {
  const rows = header.gaussians;
  const kept = unpackArray(header, buffer, `${name}_kept`);
  const low = unpackArray(header, buffer, `${name}_low`);
  const high = bits > 8 ? unpackArray(header, buffer, `${name}_high`) : null;
  const values = new (bits > 8 ? Int16Array : Int8Array)(sets * rows * width); // wraps on overflow
  const bytes = Math.ceil(rows / 8);
  if (kept.length !== sets * bytes) throw damaged(`${kept.length} bytes of ${name}`, sets * bytes);
  const isKept = (set, row) => (kept[set * bytes + (row >> 3)] >> (row & 7)) & 1;
  const signed = (at) => {
    const word = low[at] | (high[at] << 8); // the lowest bit is the sign
    return (word >>> 1) ^ -(word & 1);
  };
  let read = 0;
  for (let set = 0; set < sets; set++) {
    let count = 0;
    for (let row = 0; row < rows; row++) count += isKept(set, row);
    const first = set * rows * width;
    let next = 0;
    for (let row = 0; row < rows; row++) {
      const differs = isKept(set, row);
      const [a, b] = parents === null ? [-1, -1] : [parents[2 * row], parents[2 * row + 1]];
      if (!differs && a < 0) continue;
      for (let column = 0; column < width; column++) {
        const expected = a < 0 ? 0 : (values[first + a * width + column] + values[first + b * width + column]) >> 1;
        const at = read + column * count + next;
        const difference = !differs ? 0 : high ? signed(at) : low[at];
        values[first + row * width + column] = expected + difference;
      }
      next += differs;
    }
    read += count * width;
  }
  for (const { length } of high ? [low, high] : [low]) {
    if (length !== read) throw damaged(`${length} numbers of ${name}`, read);
  }
  return values;
}

/** Return the base's values `name`, which are stored as steps to both sides of the middle of each column. */
export function unpackColumns(header, buffer, name) {
  const { middle, step } = header.columns[name];
  const width = middle.length;
  const steps = unpackRows(header, buffer, name, { width, bits: 16 });
  return Float32Array.from(steps, (value, i) => middle[i % width] + step[i % width] * value);
}

/** Return the components of all families in steps: `xyz` [K, N, 3], `fine` [K, N, 10] of f_dc, rotation, scale, and
    `faint` [K, N] of opacity, null if no component changes it. */
export function unpackComponents(header, buffer) {
  const sets = header.steps.length;
  const parents = unpackArray(header, buffer, "parents");
  const xyz = unpackRows(header, buffer, "basis_means", { sets, width: 3, bits: 16, parents });
  const fine = new Int8Array(sets * header.gaussians * 10);
  let first = 0;
  for (const [name, width] of [["sh0", 3], ["quats", 4], ["log_scales", 3]]) {
    const values = unpackRows(header, buffer, `basis_${name}`, { sets, width, bits: 8, parents });
    for (let row = 0; row < sets * header.gaussians; row++) {
      for (let column = 0; column < width; column++) fine[10 * row + first + column] = values[width * row + column];
    }
    first += width;
  }
  const movesOpacity = header.steps.some((steps) => steps[4] !== 0);
  const faint = movesOpacity ? unpackRows(header, buffer, "basis_logit_opacities", { sets, width: 1, bits: 8, parents }) : null;
  return { xyz, fine, faint };
}
