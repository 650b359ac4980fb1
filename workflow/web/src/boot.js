// Unpack the parts of this file and start. Every module becomes a blob that an import map names, so that nothing is
// requested from a server and the page also works from file://.

(async () => {
  document.body.dataset.begun = "";
  const fail = (text) => {
    const message = document.getElementById("message");
    message.textContent = text;
    message.className = "error";
  };
  const unpack = async (id) => {
    const text = document.getElementById(id).textContent.trim();
    try {
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    } catch {
      throw new Error("This page is damaged: a part of it cannot be unpacked; copy it again from where it is whole.");
    }
  };
  try {
    if (!document.createElement("canvas").getContext("webgl2")) {
      throw new Error("This browser has no WebGL 2; open the page in a current Firefox, Chrome, Edge or Safari, with graphics acceleration switched on.");
    }
    if (typeof DecompressionStream === "undefined") {
      throw new Error("This browser is too old to unpack the page; use one of 2023 or later.");
    }
    const imports = {};
    for (const element of document.querySelectorAll("script[data-module]")) {
      const source = await unpack(element.id);
      imports[element.dataset.module] = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    }
    const map = document.createElement("script");
    map.type = "importmap";
    map.textContent = JSON.stringify({ imports });
    document.head.append(map);
    const header = JSON.parse(document.getElementById("header").textContent);
    const { start } = await import("splatrig/main.js");
    window.splatrig = await start(header, await unpack("head"), unpack);
    document.body.dataset.state = "ready";
  } catch (error) {
    fail(error.message);
    document.body.dataset.state = "failed";
    throw error;
  }
})();
