// Print what Niantic's library reads of an SPZ file as JSON: node read_spz.mjs FILE
import createSpzModule from "@adobe/spz";
import { readFileSync } from "node:fs";

const spz = await createSpzModule({ print: () => {}, printErr: () => {} });
const cloud = spz.loadSpzFromBuffer(new Uint8Array(readFileSync(process.argv[2])), { to: spz.CoordinateSystem.RUB });
const fields = ["positions", "rotations", "scales", "alphas", "colors", "sh"];
const arrays = Object.fromEntries(fields.map((field) => [field, Array.from(cloud[field])]));
process.stdout.write(JSON.stringify({ count: cloud.numPoints, degree: cloud.shDegree, ...arrays }));
