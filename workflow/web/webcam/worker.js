// Processes images of a camera in its own thread. Not a module: LiteRT loads its WebAssembly by importScripts.

let follower = null;

onmessage = async ({ data }) => {
  try {
    if (data.parts) {
      follower = await follow(data.parts);
      postMessage({ ready: true });
    } else if (data.rest) {
      follower.rest();
    } else {
      const seen = await follower.look(data.image, data.time);
      data.image.close();
      postMessage({ seen });
    }
  } catch (error) {
    postMessage({ error: error.message });
  }
};

/** Return the tracker of a face; `parts` are bytes by name (`splatrig.control.web.webcam`). */
async function follow(parts) {
  const urls = {};
  const link = (name, siblings = {}) => {
    const text = new TextDecoder().decode(parts[name]).replace(/(from\s*)"([^"]+)"/g, (all, from, other) => `${from}"${siblings[other] ?? other}"`);
    return (urls[name] = URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  };
  const litert = await import(link("litert.js", { "@litertjs/wasm-utils": link("wasm-utils.js") }));
  self.Module = { wasmBinary: parts["litert.wasm"], printErr: console.debug }; // its reports are not errors
  await litert.loadLiteRt(`${link("litert_wasm.js")}#.js`);
  const { FaceFinder } = await import(link("faces.js"));
  const { Follower } = await import(link("weights.js"));
  const [detector, mesh] = [await network(litert, parts["faces.tflite"]), await network(litert, parts["points.tflite"])];
  Object.values(urls).forEach((url) => URL.revokeObjectURL(url));
  return new Follower(new FaceFinder(detector, mesh), JSON.parse(new TextDecoder().decode(parts["responses.json"])));
}

/** Return a network: the size of its image, and `run(pixels)`, which returns its outputs by their length. */
async function network({ loadAndCompile, Tensor }, bytes) {
  const model = await loadAndCompile(new Uint8Array(bytes), { accelerator: "wasm" });
  const shape = Array.from(model.getInputDetails()[0].shape);
  return {
    size: shape[1],
    run: async (pixels) => {
      const input = new Tensor(pixels, shape);
      const outputs = await model.run(input);
      input.delete();
      return new Map(
        outputs.map((output) => {
          const values = output.toTypedArray().slice();
          output.delete();
          return [values.length, values];
        }),
      );
    },
  };
}
