// The controls next to the head.

import { HEAT } from "./splats.js";

const $ = (id) => document.getElementById(id);

/** Show a message below the image; an error stays red until the next message. */
export function say(text, isError = false) {
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
}

/** Return `E010_Smile_Stretched` as `Smile Stretched`. */
export const readable = (expression) => expression.replace(/^[A-Z]+\d+_/, "").replaceAll("_", " ");

/** Build the sliders of every family; `onInput(index, value)` is called for each move, `onChange()` at its end. Return a
    function that shows weights. The first family is open; the user folds groups and the other families. */
export function buildSliders(families, rig, { onInput, onChange }) {
  const shown = [];
  for (const family of families) {
    const move = (k, value) => {
      onInput(family.first + k, value);
      const mirror = family.mirrors[k];
      if ($("link").checked && mirror >= 0) onInput(family.first + mirror, value);
    };
    const section = (title, components, open) => {
      const folder = document.createElement("details");
      folder.open = open;
      folder.append(heading(title, () => {
        components.forEach((k) => onInput(family.first + k, 0));
        onChange();
      }));
      return folder;
    };
    const rowsOf = (components) => components.map((k) => {
      const slider = sliderOf(family, k, rig, { move, onChange });
      shown[family.first + k] = slider;
      return slider.row;
    });
    const all = [...family.names.keys()];
    const folder = section(family.title, all, family === families[0]);
    folder.dataset.family = family.name;
    if (family.groups) {
      for (const { title, components } of family.groups) {
        const group = section(title, components, true);
        group.dataset.group = title;
        group.append(...rowsOf(components));
        folder.append(group);
      }
    } else {
      const note = document.createElement("p");
      note.className = "note";
      note.textContent = family.limits
        ? "Each moves one part of the face, from rest (left) to its end."
        : "Each moves the whole face, from rest (the mark) to either side.";
      folder.append(note, ...rowsOf(all));
    }
    $("families").append(folder);
  }
  $("link").parentElement.hidden = !families.some(({ mirrors }) => mirrors.some((mirror) => mirror >= 0));
  offerSearch(shown);
  return (weights) => {
    weights.forEach((weight, index) => {
      const { input, value } = shown[index];
      if (document.activeElement !== input || Math.abs(input.valueAsNumber - weight) > Number(input.step)) input.value = weight;
      value.textContent = weight === 0 ? "" : String(Number(weight.toPrecision(2)));
      paint(input);
    });
  };
}

/** Show only the sliders whose names contain all searched words, also those of folded groups. */
function offerSearch(sliders) {
  const folders = [...$("families").querySelectorAll("details")];
  let folded = null; // which are open, before the search
  $("search").addEventListener("input", () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    folded ??= folders.map(({ open }) => open);
    for (const { row } of sliders) row.hidden = !words.every((word) => row.dataset.words.includes(word));
    folders.forEach((folder, at) => {
      folder.hidden = folder.querySelector(".slider:not([hidden])") === null;
      folder.open = words.length > 0 || folded[at];
    });
    if (words.length === 0) folded = null;
    else $("families").scrollIntoView();
  });
}

/** Return the line above sliders, with the button that resets them. */
function heading(title, toRest) {
  const summary = document.createElement("summary");
  summary.textContent = title;
  const zero = document.createElement("button");
  Object.assign(zero, { textContent: "reset", title: `Reset all of ${title}` });
  zero.addEventListener("click", (event) => {
    event.preventDefault(); // open groups stay open
    toRest();
  });
  summary.append(zero);
  return summary;
}

/** Return one component's row, its slider and the output of its value. */
function sliderOf(family, k, rig, { move, onChange }) {
  const index = family.first + k;
  const [low, high] = [rig.low[index], rig.high[index]];
  const untold = family.told?.[k] === false;
  const row = document.createElement("label");
  row.className = untold ? "slider untold" : "slider";
  const about = family.told
    ? untold && "not in the capture: it moves as on the template head"
    : `${low.toPrecision(3)} to ${high.toPrecision(3)} in the capture`;
  row.title = [family.names[k], about, "double click: rest"].filter(Boolean).join("\n");
  const [label, hint] = family.labels[k];
  row.dataset.words = [family.names[k], label, hint].join(" ").toLowerCase();
  const text = document.createElement("span");
  const detail = document.createElement("small");
  text.textContent = label;
  detail.textContent = hint;
  text.append(" ", detail);
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min: low, max: high, value: 0 });
  input.step = (high - low) / 1000 || 1;
  input.dataset.component = index;
  const value = document.createElement("output");
  input.addEventListener("input", () => move(k, input.valueAsNumber));
  input.addEventListener("change", onChange);
  row.addEventListener("dblclick", () => {
    move(k, 0);
    onChange();
  });
  row.append(text, input, value);
  return { row, input, value };
}

/** Set a slider's rest and value for the style sheet, as fractions of its length. */
function paint(input) {
  const [low, high] = [Number(input.min), Number(input.max)];
  const share = (value) => (high > low ? (value - low) / (high - low) : 0);
  input.style.setProperty("--rest", share(0));
  input.style.setProperty("--value", share(input.valueAsNumber));
}

/** Build one button per expression of the chosen family; `onChoose(family, expression)` is called for a click. */
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

/** Offer a heat map of each component; `onHeat(component, most)` is called for a choice, with the largest displacement
    per unit of weight in millimeters. Return the function to call for a moved slider, whose heat map is then shown. */
export function offerHeat(rig, onHeat) {
  const chooser = $("heat");
  const colors = HEAT.map((stop) => `rgb(${stop.split(",").map((value) => Math.round(255 * value))})`);
  $("heat-colors").style.background = `linear-gradient(90deg, #888, ${colors.map((color, k) => `${color} ${20 + 16 * k}%`)})`;
  for (const family of rig.families) {
    const group = document.createElement("optgroup");
    group.label = family.title;
    group.append(...family.names.map((_, k) => new Option(family.labels[k].join(" "), family.first + k)));
    chooser.append(group);
  }
  const show = () => {
    const component = chooser.value === "" ? -1 : Number(chooser.value);
    $("heat-scale").hidden = component < 0;
    if (component < 0) return onHeat(-1, 0);
    const end = Math.max(-rig.low[component], rig.high[component]);
    const most = rig.farthest(component);
    $("heat-most").textContent = `${(end * most).toPrecision(2)} mm at the end of the slider`;
    onHeat(component, most);
  };
  chooser.addEventListener("change", show);
  return (component) => {
    if (chooser.value === "" || chooser.value === String(component)) return;
    chooser.value = component;
    show();
  };
}

/** Fill the list of tracks. */
export function listTracks(tracks, chosen) {
  $("track").replaceChildren(...tracks.map((track, index) => new Option(track.title, index, false, index === chosen)));
}

/** Draw the dragged point, its target, and the pins; all in pixels of the canvas. */
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
