// Draws a digit by its label into a picture: node draw.mjs exports/mnist 3 three.pgm
import { readFile, writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-web"; // or onnxruntime-node
import { load } from "./skvq/skvq.mjs";

const [folder, label, path] = process.argv.slice(2);
const read = async (name) => new Uint8Array(await readFile(name));
const runtime = await load(folder, ort, { read });

// The digit that Python draws: skvq.runtime.load("exports/mnist").sample(1, 3, temperature=0.8, random_state=0)
const pixels = await runtime.sample(1, Number(label), { temperature: 0.8, randomState: 0 });

const [height, width] = runtime.layout.imageShape;
await writeFile(path, Buffer.concat([Buffer.from(`P5 ${width} ${height} 255\n`), pixels]));

// Its codes, and the digit with its lower half drawn anew.
const codes = await runtime.transform(pixels);
console.log(`${runtime.grid.shape.join(" × ")} codes: ${codes.join(" ")}`);
const upper = Array.from(codes, (_, i) => i < codes.length / 2);
const completed = await runtime.complete(pixels, upper, Number(label), { randomState: 1 });
console.log(`${pixels.filter((value, i) => value !== completed[i]).length} of ${pixels.length} pixels drawn anew`);
