// Print the Khronos validator's report of each file as JSON: node validate.cjs FILE …
const { readFileSync } = require("fs");
const { validateBytes } = require("gltf-validator");

(async () => {
  const reports = [];
  for (const file of process.argv.slice(2)) {
    reports.push(await validateBytes(new Uint8Array(readFileSync(file)), { maxIssues: 1000 }));
  }
  process.stdout.write(JSON.stringify(reports));
})();
