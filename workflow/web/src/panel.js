// The controls beside the head.

const $ = (id) => document.getElementById(id);

/** Say something below the picture; an error stays red until the next message. */
export function say(text, isError = false) {
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
}

/** Return `PCA 04 · mouth left · E010_Smile · mouthSmileLeft 0.98` as `04 · mouth left · mouthSmileLeft`. */
export function shortName(name) {
  const parts = name.split(" · ");
  if (parts.length < 3) return name;
  const unit = parts[3] ? ` · ${parts[3].split(" ")[0]}` : "";
  return `${parts[0].split(" ").pop()} · ${parts[1]}${unit}`;
}

const readable = (expression) => expression.replace(/^[A-Z]+\d+_/, "").replaceAll("_", " ");

/** Build the sliders of every family; `onInput(index, value)` hears of each move. Return how to show weights. */
export function buildSliders(families, rig, onInput) {
  const shown = [];
  for (const family of families) {
    const section = document.createElement("details");
    section.open = true;
    section.dataset.family = family.name;
    const summary = document.createElement("summary");
    summary.textContent = family.title;
    const zero = document.createElement("button");
    zero.textContent = "to rest";
    zero.title = `All of ${family.title} to rest`;
    zero.addEventListener("click", (event) => {
      event.preventDefault();
      family.names.forEach((_, k) => onInput(family.first + k, 0));
    });
    summary.append(zero);
    section.append(summary);
    family.names.forEach((name, k) => {
      const index = family.first + k;
      const row = document.createElement("label");
      row.className = "slider";
      row.title = `${name}\n${rig.low[index].toPrecision(3)} to ${rig.high[index].toPrecision(3)} in the capture; double click: rest`;
      const text = document.createElement("span");
      text.textContent = shortName(name);
      const input = document.createElement("input");
      Object.assign(input, { type: "range", min: rig.low[index], max: rig.high[index], value: 0 });
      input.step = (rig.high[index] - rig.low[index]) / 1000 || 1;
      input.dataset.component = index;
      const value = document.createElement("output");
      input.addEventListener("input", () => onInput(index, input.valueAsNumber));
      row.addEventListener("dblclick", () => onInput(index, 0));
      row.append(text, input, value);
      section.append(row);
      shown[index] = { input, value };
    });
    $("families").append(section);
  }
  return (weights) => {
    weights.forEach((weight, index) => {
      const { input, value } = shown[index];
      if (document.activeElement !== input || Math.abs(input.valueAsNumber - weight) > Number(input.step)) input.value = weight;
      value.textContent = weight === 0 ? "" : String(Number(weight.toPrecision(2)));
    });
  };
}

/** Build a button per expression of the chosen family; `onChoose(family, expression)` hears of a click. */
export function buildPresets(families, onChoose) {
  const chooser = $("preset-family");
  for (const family of families) chooser.add(new Option(family.title, family.name));
  const show = () => {
    const family = families.find((candidate) => candidate.name === chooser.value);
    $("presets").replaceChildren(
      ...Object.keys(family.presets).map((expression) => {
        const button = document.createElement("button");
        button.textContent = readable(expression);
        button.title = expression;
        button.addEventListener("click", () => onChoose(family, expression));
        return button;
      }),
    );
  };
  chooser.addEventListener("change", show);
  show();
}

/** Fill the choice of tracks. */
export function listTracks(tracks, chosen) {
  $("track").replaceChildren(...tracks.map((track, index) => new Option(track.title, index, false, index === chosen)));
}

/** Draw the dragged point, where it is wanted, and the pins; all in pixels of the canvas. */
export function drawMarks(width, height, pins, drag) {
  const svg = $("marks");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const mark = (kind, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const shapes = pins.map(([x, y]) => mark("circle", { cx: x, cy: y, r: 5, class: "pin" }));
  if (drag) {
    const [[x, y], [u, v]] = drag;
    shapes.push(mark("line", { x1: x, y1: y, x2: u, y2: v, class: "drag" }));
    shapes.push(mark("circle", { cx: x, cy: y, r: 5, class: "drag" }));
  }
  svg.replaceChildren(...shapes);
}
