// Opening, saving and recording of files.

import { listTracks, say } from "./panel.js";
import { parseFile, poseText, trackText } from "./track.js";

const $ = (id) => document.getElementById(id);

/** Connect the buttons of files, and the one that records. */
export function wireFiles({ rig, player, recorder, history, header, pose, snapshot }) {
  $("open").addEventListener("change", async () => {
    const [file] = $("open").files;
    if (!file) return;
    try {
      take(parseFile(await file.text(), file.name, rig.families), file.name, { player, pose });
      history.settled();
    } catch (error) {
      say(error.message, true);
    }
    $("open").value = "";
  });
  $("save").addEventListener("click", () => {
    saveText(poseText(header.subject, rig.families, rig.weights), "application/json", `${header.subject}_pose.json`);
  });
  $("record").addEventListener("click", () => {
    if (recorder.recording) keepRecorded(recorder, player);
    else {
      player.stop();
      recorder.start();
      say("Recording every pose; press Stop to end.");
    }
  });
  $("save-track").addEventListener("click", () => {
    const { track } = player;
    if (!track) return;
    const family = rig.families.find(({ name }) => name === track.family);
    const name = `${header.subject}_${track.title}.csv`.replace(/[^\w.-]+/g, "_");
    saveText(trackText(header.subject, family, track), "text/csv", name);
  });
  $("picture").addEventListener("click", async () => download(await snapshot(), `${header.subject}.png`));
}

/** Add the recording to the list of tracks, and choose it. */
function keepRecorded(recorder, player) {
  const number = player.tracks.filter(({ source }) => source !== undefined).length + 1;
  const tracks = recorder.stop(`recorded ${number}`);
  if (tracks.length === 0) return say("Nothing moved, so nothing was recorded.");
  player.tracks.push(...tracks);
  listTracks(player.tracks, player.tracks.length - tracks.length);
  player.choose(player.tracks.length - tracks.length);
  say(`Recorded ${player.duration.toFixed(1)} s of ${tracks.map(({ title }) => title).join(", ")}; Save track, under Files, keeps one.`);
}

function saveText(text, type, name) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  download(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function download(url, name) {
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
}

/** Use the content of a file: apply a pose, play a track. */
function take(parsed, name, { player, pose }) {
  player.stop();
  if (parsed.kind === "pose") {
    pose(parsed.families);
    say(`${name}: pose applied.`);
    return;
  }
  player.tracks.push({ ...parsed, title: name });
  listTracks(player.tracks, player.tracks.length - 1);
  player.choose(player.tracks.length - 1);
  player.play();
  say(`${name}: ${parsed.times.length} rows, ${player.duration.toFixed(2)} s.`);
}
