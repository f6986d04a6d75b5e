// What type checkers must know of skvq.mjs; each expected error must be one.

import type * as onnxruntime from "onnxruntime-common";
import { InvalidInputError, Runtime, load, type Images, type OnnxRuntime, type VectorReport } from "../../examples/browser/skvq/skvq.mjs";

declare const module: typeof onnxruntime;
const ort: OnnxRuntime = module;

const runtime = await load("exports/mnist", ort, { batchSize: 1, sessionOptions: { executionProviders: ["wasm"] } });
const images: Images = await runtime.sample(16, 3, { temperature: 0.8, topK: 5, randomState: 2n ** 70n });
const codes: Int32Array = await runtime.transform(images);
const again: Images = await runtime.complete(images, [true, false], [3, 4], { randomState: null });
const reports: VectorReport[] = await runtime.verify("encoder");
const size: number = runtime.grid.nCodes + again.length + reports.length + codes.length;
const error: Error = new InvalidInputError(String(size));
export { error };

// @ts-expect-error: the option is randomState
await runtime.sample(1, 3, { random_state: 0 });
// @ts-expect-error: a seed is a number
await runtime.sample(1, 3, { randomState: "0" });
// @ts-expect-error: images are numbers
await runtime.transform("digit");
// @ts-expect-error: there is no such option
await load("exports/mnist", ort, { batch_size: 1 });
// @ts-expect-error: runtimes are made by load
new Runtime();
