// Poses and tracks of weights: reads files, and reports malformed ones in a sentence.

const TRACK = "splatrig track";
const POSE = "splatrig coefficients";
const VERSION = 1;

/** Return { kind: "track", family, times, weights } or { kind: "pose", families } of a file; throw an error sentence. */
export function parseFile(text, name, families) {
  if (/\.csv$/i.test(name)) return parseCsv(text, name, families);
  if (!/\.json$/i.test(name)) throw new Error(`${name}: expected a file named .json or .csv.`);
  let document;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Error(`${name}: expected JSON, got ${error.message}.`);
  }
  const format = document?.format;
  if (format !== TRACK && format !== POSE) {
    throw new Error(`${name}, key 'format': expected '${TRACK}' or '${POSE}', got ${brief(format)}.`);
  }
  if (document.format_version !== VERSION) {
    throw new Error(`${name}, key 'format_version': expected ${VERSION}, got ${brief(document.format_version)}.`);
  }
  return format === POSE ? parsePose(document, name, families) : parseTrack(document, name, families);
}

function parsePose(document, name, families) {
  if (typeof document.families !== "object" || document.families === null || Array.isArray(document.families)) {
    throw new Error(`${name}, key 'families': expected an object of families, got ${brief(document.families)}.`);
  }
  const pose = {};
  for (const [key, values] of Object.entries(document.families)) {
    const family = familyNamed(key, name, families);
    if (typeof values !== "object" || values === null) {
      throw new Error(`${name}, key '${key}': expected an object of components, got ${brief(values)}.`);
    }
    pose[key] = new Float64Array(family.names.length);
    for (const [component, value] of Object.entries(values)) {
      const column = family.names.indexOf(component);
      if (column < 0) throw new Error(`${name}: component '${component}' does not exist in ${key}.`);
      pose[key][column] = finite(value, `${name}, component '${component}'`);
    }
  }
  return { kind: "pose", families: pose };
}

function parseTrack(document, name, families) {
  for (const key of ["names", "times_s", "weights"]) {
    if (!Array.isArray(document[key])) {
      throw new Error(`${name}, key '${key}': expected a list, got ${brief(document[key])}.`);
    }
  }
  if (document.weights.length !== document.times_s.length) {
    throw new Error(
      `${name}, key 'weights': expected ${document.times_s.length} rows, one per time, got ${document.weights.length}.`,
    );
  }
  const rows = document.weights.map((row, index) => {
    const where = `${name}, key 'weights[${index}]'`;
    if (!Array.isArray(row) || row.length !== document.names.length) {
      throw new Error(`${where}: expected ${document.names.length} numbers, got ${row?.length ?? brief(row)}.`);
    }
    return row.map((value, column) => finite(value, `${where}[${column}]`));
  });
  const times = document.times_s.map((value, index) => finite(value, `${name}, key 'times_s[${index}]'`));
  return made(name, document.family, document.names, times, rows, families);
}

function parseCsv(text, name, families) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  const isComment = (line) => /^[" ]*#/.test(line); // spreadsheets quote them, and pad them with commas
  const rowsAt = [...lines.keys()].filter((at) => /[^," \t]/.test(lines[at]) && !isComment(lines[at]));
  if (rowsAt.length === 0) throw new Error(`${name}: expected a line of column names and rows of numbers, got neither.`);
  const head = rowsAt.shift();
  let family = "";
  for (const line of lines.filter(isComment)) {
    const [, key, value] = line.match(/^[" ]*#\s*(\w+)\s*:\s*(.*?)[," \t]*$/) ?? [];
    if (key === "family") family = value;
    if (key === "format" && value !== `${TRACK} ${VERSION}`) {
      throw new Error(`${name}: expected the format ${TRACK} ${VERSION}, got '${value}'.`);
    }
  }
  const columns = words(lines[head]).map((word) => word.trim());
  if (columns[0] !== "time_s" || columns.length < 2) {
    throw new Error(
      `${name} line ${head + 1}: expected the columns time_s and one per component, with commas between them, ` +
        `got ${brief(lines[head])}.`,
    );
  }
  const table = rowsAt.map((at) => {
    const where = `${name} line ${at + 1}`;
    const cells = words(lines[at]);
    if (cells.length !== columns.length) {
      throw new Error(`${where}: expected ${columns.length} numbers, got ${cells.length}.`);
    }
    return cells.map((cell, column) => finite(cell.trim() === "" ? NaN : Number(cell), where, columns[column], cell));
  });
  const rows = table.map((row) => row.slice(1));
  return made(name, family, columns.slice(1), table.map((row) => row[0]), rows, families);
}

/** Check a track of any format and put its columns in the order of the family's components. */
function made(name, familyName, names, times, rows, families) {
  if (times.length === 0) throw new Error(`${name}: expected at least one row of numbers, got none.`);
  const family = familyNamed(familyName, name, families);
  const missing = family.names.find((component) => !names.includes(component));
  const unknown = names.find((component) => !family.names.includes(component));
  if (missing !== undefined || unknown !== undefined || names.length !== family.names.length) {
    const what = missing !== undefined ? `'${missing}' is missing` : `got also ${brief(unknown ?? "one twice")}`;
    throw new Error(`${name}: expected the ${family.names.length} components of ${familyName}, but ${what}.`);
  }
  for (let row = 1; row < times.length; row++) {
    if (!(times[row] > times[row - 1])) {
      throw new Error(`${name}: expected increasing times, got ${times[row]} s after ${times[row - 1]} s.`);
    }
  }
  const order = family.names.map((component) => names.indexOf(component));
  const weights = rows.map((row) => order.map((column) => row[column]));
  return { kind: "track", family: family.name, times: times.map((time) => time - times[0]), weights };
}

/** Return the weights [K] of a track at a time, interpolated linearly between its rows, constant outside. */
export function trackAt(track, time) {
  const { times, weights } = track;
  const after = times.findIndex((value) => value > time);
  if (after <= 0) return weights[after === 0 ? 0 : times.length - 1];
  const share = (time - times[after - 1]) / (times[after] - times[after - 1]);
  return weights[after].map((value, k) => (1 - share) * weights[after - 1][k] + share * value);
}

/** Return the text of a pose file. */
export function poseText(subject, families, weights) {
  const named = families.map((family) => [
    family.name,
    Object.fromEntries(family.names.map((name, k) => [name, weights[family.first + k]])),
  ]);
  const document = { format: POSE, format_version: VERSION, subject, families: Object.fromEntries(named) };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/** Return the text of a track file (CSV) of a family; `splatrig.control.track` reads it. */
export function trackText(subject, family, { times, weights, source = "" }) {
  const about = { format: `${TRACK} ${VERSION}`, family: family.name, subject, source };
  const quoted = family.names.map((name) => `"${name.replaceAll('"', '""')}"`);
  const lines = [
    ...Object.entries(about).map(([key, value]) => `# ${key}: ${value}`),
    ["time_s", ...quoted].join(","),
    ...times.map((time, row) => [time, ...weights[row]].join(",")),
  ];
  return `${lines.join("\n")}\n`;
}

function familyNamed(key, name, families) {
  const family = families.find((candidate) => candidate.name === key);
  if (family) return family;
  const known = families.map((candidate) => candidate.name).join(", ");
  throw new Error(`${name}: this head has no family ${brief(key)}, only ${known}.`);
}

function finite(value, where, column, found = value) {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new Error(`${where}${column === undefined ? "" : `, column '${column}'`}: expected a finite number, got ${brief(found)}.`);
}

function brief(value) {
  return value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
}

/** Split a line of CSV; quoted words may hold commas and doubled quotes. */
function words(line) {
  const found = [];
  const pattern = /\s*(?:"((?:[^"]|"")*)"|([^,]*))(,|$)/y;
  for (let more = true; more; ) {
    const match = pattern.exec(line);
    if (match === null) return [...found, line];
    found.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    more = match[3] === ",";
  }
  return found;
}
