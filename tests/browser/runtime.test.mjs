// skvq.mjs on onnxruntime-web in Node: the answers of the exports' test vectors, and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidInputError, ModelFileError, SkvqError, load } from "../../examples/browser/skvq/skvq.mjs";
import { EXPORTS, ROOT, bytesOf, loadExport, manifestOf, noRuntime, packageOf, reader, vectorsOf } from "./setting.mjs";

const IMAGE_TOLERANCE = 1e-3; // in the images' unit, of 0 to 255 and 0 to 16

const ort = await packageOf("onnxruntime-web");
const skip = ort ? false : "npm install in examples/browser has not been run";
if (ort) ort.env.wasm.numThreads = 1;

for (const name of EXPORTS) {
  test(`${name}: every part answers its vectors`, { skip }, async () => {
    const runtime = await loadExport(name, ort);
    const reports = await runtime.verify();
    assert.deepEqual(reports.map((report) => report.part), runtime.parts);
    for (const report of reports) {
      assert.equal(report.unequalCodes, 0, report.part);
      assert.ok(report.maxAbsDifference <= IMAGE_TOLERANCE, `${report.part}: ${report.maxAbsDifference}`);
      assert.ok(report.ok, report.part);
    }
  });

  test(`${name}: methods give the vectors' images and codes`, { skip }, async () => {
    const runtime = await loadExport(name, ort);
    const { random_state: randomState, y, files } = await vectorsOf(name);
    const drawn = files["generator.onnx"].outputs.images;
    const images = await runtime.sample(drawn.shape[0], y, { randomState });
    const isWhole = !runtime.layout.dtype.startsWith("float");
    const tolerance = isWhole ? 0.5 + IMAGE_TOLERANCE : IMAGE_TOLERANCE; // whole numbers are rounded
    assert.ok(images.every((value, i) => Math.abs(value - drawn.data[i]) <= tolerance && (!isWhole || Number.isInteger(value))));
    const codes = await runtime.transform(files["encoder.onnx"].inputs.images.data);
    assert.deepEqual(Array.from(codes), files["encoder.onnx"].outputs.codes.data);
    assert.deepEqual(await runtime.reconstruct(images), await runtime.inverseTransform(await runtime.transform(images)));
  });
}

test("a row's answer does not depend on its neighbours", { skip }, async () => {
  const runtime = await loadExport("digits", ort, { batchSize: 4 });
  const images = await runtime.sample(7, [0, 1, 2, 3, 4, 5, 6], { randomState: 0 });
  const codes = await runtime.transform(images);
  assert.deepEqual(await runtime.transform(images.subarray(64 * 5)), codes.subarray(16 * 5));
  assert.deepEqual(await runtime.transform([images.subarray(0, 64), images.subarray(64, 128)]), codes.subarray(0, 32));
});

test("samples are those of their seed; the first do not depend on how many follow", { skip }, async () => {
  const runtime = await loadExport("digits", ort);
  const three = await runtime.sample(3, 7, { temperature: 0.5, randomState: 11 });
  assert.deepEqual(await runtime.sample(5, Array(5).fill(7), { temperature: 0.5, randomState: 11n }).then((x) => x.slice(0, 192)), three);
  assert.notDeepEqual(await runtime.sample(3, 7, { temperature: 0.5, randomState: 12 }), three);
  assert.notDeepEqual(await runtime.sample(3, 7), await runtime.sample(3, 7));
});

test("complete keeps what the mask keeps, and draws the rest", { skip }, async () => {
  const runtime = await loadExport("digits", ort);
  const { nCodes } = runtime.grid;
  const codes = await runtime.sampleCodes(6, 3, { randomState: 0 });
  const mask = Array.from({ length: nCodes }, (_, i) => i < nCodes / 2);
  const completed = await runtime.completeCodes(codes, mask, 3, { randomState: 1 });
  const kept = (some) => some.filter((_, i) => mask[i % nCodes]);
  assert.deepEqual(kept(completed), kept(codes));
  assert.notDeepEqual(completed, codes);
  assert.deepEqual(await runtime.completeCodes(codes, Array(6 * nCodes).fill(1), 3), codes);
  const images = await runtime.inverseTransform(codes);
  const anew = await runtime.complete(images, mask, 3, { randomState: 1 });
  const again = await runtime.completeCodes(await runtime.transform(images), mask, 3, { randomState: 1 });
  assert.deepEqual(anew, await runtime.inverseTransform(again));
});

test("topK: 1 draws the likeliest code whatever the seed", { skip }, async () => {
  const runtime = await loadExport("digits", ort);
  const likeliest = await runtime.sampleCodes(2, 4, { topK: 1, randomState: 0 });
  assert.deepEqual(await runtime.sampleCodes(2, 4, { topK: 1, randomState: 1 }), likeliest);
  assert.deepEqual(await runtime.sampleCodes(2, 4, { topP: 1e-9, randomState: 2 }), likeliest);
});

test("images of another unit are warned of, and black ones are not", { skip }, async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const runtime = await loadExport("digits", ort);
  const [low, high] = runtime.dataRange;
  await runtime.transform(new Float32Array(64));
  await runtime.transform(Array.from({ length: 64 }, (_, i) => (i % 2 ? low : high)));
  assert.equal(warn.mock.callCount(), 0);
  await runtime.transform(Array.from({ length: 64 }, (_, i) => (i % 2 ? 255 : 0)));
  assert.match(warn.mock.calls[0].arguments[0], /X has values from 0 to 255, which leave \[0, 16\]/);
  await runtime.transform(Array.from({ length: 64 }, (_, i) => (i % 2) / 255));
  assert.match(warn.mock.calls[1].arguments[0], /which fill a small part of \[0, 16\]/);
});

test("no rows give no rows", { skip }, async () => {
  const runtime = await loadExport("digits", ort);
  assert.equal((await runtime.transform([])).length, 0);
  assert.deepEqual(await runtime.inverseTransform([]), new Float32Array(0));
});

const refused = {
  "a row too short": [(r) => r.transform([1, 2, 3]), /X must have 64 values to a row; got 3 values in all\. Pass images of 8 × 8 × 1/],
  "rows of different lengths": [(r) => r.transform([Array(64).fill(0), [1]]), /X must have 64 values to a row; got a row of 1/],
  "an image that is no array": [(r) => r.transform("digit"), /X must be an array of numbers/],
  NaN: [(r) => r.transform(Array(64).fill(NaN)), /X must be finite in float32; got NaN/],
  "a fractional code": [(r) => r.inverseTransform(Array(16).fill(0.5)), /X must hold codes, which are whole numbers in \[0, 64\); got 0\.5/],
  "a code out of range": [(r) => r.inverseTransform(Array(16).fill(64)), /got 64\. Codes are what transform returns/],
  "no samples": [(r) => r.sample(0, 3), /nSamples must be an integer >= 1; got 0/],
  "no class": [(r) => r.sample(1), /y must be given: a conditional prior needs the class/],
  "an unknown class": [(r) => r.sample(1, 10), /y must hold classes that the prior was fitted with, \[0, 1, .*\]; got 10/],
  "a class as text": [(r) => r.sample(1, "3"), /y must hold classes/],
  "too few classes": [(r) => r.sample(3, [1, 2]), /y must have one class for each of the 3 rows; got 2/],
  "temperature 0": [(r) => r.sample(1, 3, { temperature: 0 }), /temperature must be finite and > 0; got 0/],
  "temperature 1e-40": [(r) => r.sample(1, 3, { temperature: 1e-40 }), /lie between 1e-30 and 1e30.*topK: 1/],
  "topK 0": [(r) => r.sample(1, 3, { topK: 0 }), /topK must be an integer >= 1; got 0/],
  "topP 2": [(r) => r.sample(1, 3, { topP: 2 }), /topP must be in \(0, 1\], or null; got 2/],
  "a negative seed": [(r) => r.sample(1, 3, { randomState: -1 }), /randomState must be an integer >= 0/],
  "an option of Python's name": [(r) => r.sample(1, 3, { random_state: 0 }), /options must be of temperature, topK, topP, randomState; got random_state/],
  "a stage too many": [(r) => r.inverseTransform(Array(16).fill(0), 2), /nQuantizers must be an integer from 1 to 1; got 2/],
  "a mask of numbers": [(r) => r.completeCodes(Array(16).fill(0), Array(16).fill(5), 3), /mask must be an array of 16 booleans.*not all of them booleans/],
  "a mask too short": [(r) => r.completeCodes(Array(16).fill(0), [true], 3), /mask must be an array of 16 booleans, flat in row-major order; got 1 values/],
  "a part that is not there": [(r) => r.scoreSamples(Array(64).fill(0), 3), /scoreCodes needs the part 'prior'; .*exports\/digits\/ holds encoder, decoder/],
};
for (const [what, [call, message]] of Object.entries(refused))
  test(`refused: ${what}`, { skip }, async () => {
    const runtime = await loadExport("digits", ort);
    await assert.rejects(
      () => call(runtime),
      (error) => error instanceof InvalidInputError && error instanceof SkvqError && error.name === "InvalidInputError" && message.test(error.message) || assert.fail(error.stack),
    );
  });

const damaged = {
  "no JSON": ["{", /manifest\.json is not JSON/],
  "another format": [(m) => (m.format = "other"), /was not written by skvq/],
  "a former version": [(m) => (m.format_version = 1), /has format version 1; this module reads 2\. Export the model again/],
  "no grid": [(m) => delete m.grid, /incomplete or damaged: grid\/shape must be one to three whole numbers above 0; got nothing/],
  "a grid of nothing": [(m) => (m.grid.shape = [0, 4]), /grid\/shape must be/],
  "a range upside down": [(m) => m.data_range.reverse(), /data_range must be two finite numbers, the smaller first/],
  "rows of another size": [(m) => (m.layout.row_shape = [63]), /layout\/row_shape must be of images of shape/],
  "no files": [(m) => (m.files = {}), /files must be an object that is not empty/],
  "a file elsewhere": [(m) => (m.files["../a.onnx"] = m.files["encoder.onnx"]), /names the file \.\.\/a\.onnx, which is no \.onnx file beside it/],
  "a part twice": [(m) => (m.files["a.onnx"] = m.files["encoder.onnx"]), /files\/a\.onnx\/part must be of no other file; got encoder/],
  "a hash of 63 digits": [(m) => (m.files["encoder.onnx"].sha256 = "0".repeat(63)), /sha256 must be 64 hexadecimal digits/],
  "an unknown kind": [(m) => (m.files["encoder.onnx"].kind = "toString"), /kind must be one of encoder, decoder/],
  "an input too few": [(m) => m.files["generator.onnx"].inputs.pop(), /generator\.onnx\/inputs must be of the roles uniforms, temperature, labels/],
  "an input of another shape": [(m) => (m.files["decoder.onnx"].inputs[0].shape = ["batch", 9]), /decoder\.onnx\/codes\/shape must be \["batch",16\]/],
  "classes twice": [(m) => (m.prior.classes = [1, 1]), /prior\/classes must be null, or a list of different/],
  "vectors elsewhere": [(m) => (m.vectors.file = "../vectors.json"), /vectors\/file must be 'vectors\.json'/],
};
for (const [what, [change, message]] of Object.entries(damaged))
  test(`damaged: ${what}`, async () => {
    const manifest = await manifestOf("digits");
    if (typeof change !== "string") change(manifest);
    const read = reader({ "manifest.json": bytesOf(typeof change === "string" ? change : manifest) });
    await assert.rejects(
      () => load(`${ROOT}exports/digits`, noRuntime, { read }),
      (error) => error instanceof ModelFileError && message.test(error.message) || assert.fail(error.stack),
    );
  });

test("a changed file is found by its hash before it is opened", async () => {
  const bytes = await reader()(`${ROOT}exports/digits/encoder.onnx`);
  bytes[bytes.length >> 1] ^= 1;
  const runtime = await loadExport("digits", noRuntime, { read: reader({ "encoder.onnx": bytes }) });
  await assert.rejects(() => runtime.transform(new Float32Array(64)), /encoder\.onnx must have the SHA-256 \w{12}… and \d+ bytes .*copy it again/);
});

test("a file larger than maxBytes is not read", async () => {
  const runtime = await loadExport("digits", noRuntime, { maxBytes: 1000 });
  await assert.rejects(() => runtime.transform(new Float32Array(64)), /encoder\.onnx has \d+ bytes, more than 1000\. Pass a larger maxBytes/);
});

test("a file that could not be read is read again at the next call", { skip }, async () => {
  let failures = 1;
  const read = async (path) => {
    if (path.endsWith("encoder.onnx") && failures-- > 0) throw new Error("no network");
    return reader()(path);
  };
  const runtime = await loadExport("digits", ort, { read });
  await assert.rejects(() => runtime.transform(new Float32Array(64)), /no network/);
  assert.equal((await runtime.transform(new Float32Array(64))).length, 16);
});

test("arguments of load are checked", async () => {
  await assert.rejects(() => load("", noRuntime), /path must be the folder of an export/);
  await assert.rejects(() => load("exports/digits", {}), /ort must be onnxruntime's module/);
  await assert.rejects(() => loadExport("digits", noRuntime, { batch_size: 4 }), /options must be of batchSize.*got batch_size/);
  await assert.rejects(() => loadExport("digits", noRuntime, { batchSize: 0 }), /batchSize must be an integer >= 1; got 0/);
});
