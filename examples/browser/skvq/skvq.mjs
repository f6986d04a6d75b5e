// Exports of skvq in JavaScript: the methods of skvq.runtime, on onnxruntime-web or onnxruntime-node.
//
//   import * as ort from "onnxruntime-web";
//   import { load } from "./skvq/skvq.mjs";
//   const runtime = await load("exports/mnist", ort);
//   const images = await runtime.sample(16, 3, { temperature: 0.8, randomState: 0 });
//
// Images and codes are flat arrays, row by row; runtime.layout and runtime.grid hold the shape of a row. An integer as
// randomState draws what it draws in Python.

import { InvalidInputError, ModelFileError, SkvqError } from "./checks.mjs";
import { checkCodes, checkCount, checkFirst, checkLabels, checkMask, checkNames, checkOptions, checkRows } from "./checks.mjs";
import { printable } from "./checks.mjs";
import { parseManifest } from "./manifest.mjs";
import { Part, readIntact } from "./part.mjs";
import { checkRandomState, uniforms } from "./random.mjs";
import { compareWithVectors } from "./vectors.mjs";

export { InvalidInputError, ModelFileError, SkvqError };

const MAX_BYTES = 2 ** 29;
const MOST_DRAWN_AT_ONCE = 128;
// Of NumPy -> what rows come back in, the lowest and the highest value.
const DTYPES = {
  uint8: [Uint8Array, 0, 255],
  int8: [Int8Array, -128, 127],
  uint16: [Uint16Array, 0, 65535],
  int16: [Int16Array, -32768, 32767],
  uint32: [Uint32Array, 0, 4294967040], // the largest float32 below 2 ** 32
  int32: [Int32Array, -2147483648, 2147483520],
  uint64: [Float64Array, 0, Infinity],
  int64: [Float64Array, -Infinity, Infinity],
  float64: [Float64Array],
};

export async function load(path, ort, options = {}) {
  const { batchSize = 8, sessionOptions = {}, maxBytes = MAX_BYTES, checkHashes = true, read = fetchBytes, ...others } = options;
  checkNames(others, "batchSize, sessionOptions, maxBytes, checkHashes, read");
  checkCount("batchSize", batchSize);
  checkCount("maxBytes", maxBytes);
  if (typeof path !== "string" || !path)
    throw new InvalidInputError(`path must be the folder of an export; got ${printable(path)}. Pass a URL such as "exports/mnist".`);
  if (typeof ort?.InferenceSession?.create !== "function")
    throw new InvalidInputError('ort must be onnxruntime\'s module; got something else. Pass what import * as ort from "onnxruntime-web" gives.');
  const base = path.endsWith("/") ? path : `${path}/`;
  const text = new TextDecoder().decode(await read(`${base}manifest.json`));
  return new Runtime(base, parseManifest(text, `${base}manifest.json`), { ort, batchSize, sessionOptions, maxBytes, checkHashes, read });
}

/** An autoencoder, a prior, or both. A part's file is read and opened when it is first needed. */
export class Runtime {
  #base;
  #model;
  #options;
  #opened = new Map();

  constructor(base, model, options) {
    this.#base = base;
    this.#model = model;
    this.#options = options;
    this.parts = [...model.parts.keys()];
    this.grid = model.grid ?? model.priorGrid;
    this.classes = model.classes;
    this.layout = model.layout;
    this.dataRange = model.dataRange;
    this.versions = model.versions;
  }

  /** Reads, checks and opens parts before they are needed. */
  async open(...parts) {
    await Promise.all(parts.map((part) => this.#open(part, "open")));
  }

  async transform(X) {
    const part = this.parts.includes("encoder_uint8") && X instanceof Uint8Array ? "encoder_uint8" : "encoder";
    const encoder = await this.#open(part, "transform");
    const { images, n } = checkRows(X, this.layout, this.dataRange);
    return n ? encoder.run({ images }, n, this.#options.batchSize) : new Int32Array(0);
  }

  async inverseTransform(X, nQuantizers = null) {
    const decoder = await this.#open("decoder", "inverseTransform");
    const { codes, n } = checkFirst(X, this.#model.grid, nQuantizers);
    return this.#fromImages(n ? await decoder.run({ codes }, n, this.#options.batchSize) : []);
  }

  async reconstruct(X) {
    if (!this.parts.some((part) => part.startsWith("encoder")) && this.parts.includes("reconstruct")) {
      const autoencoder = await this.#open("reconstruct", "reconstruct");
      const { images, n } = checkRows(X, this.layout, this.dataRange);
      return this.#fromImages(n ? await autoencoder.run({ images }, n, this.#options.batchSize) : []);
    }
    return this.inverseTransform(await this.transform(X));
  }

  async sample(nSamples = 1, y = null, { randomState = null, ...choice } = {}) {
    checkCount("nSamples", nSamples, "It is the number of rows to draw.");
    const options = checkOptions(choice);
    const kinds = this.parts.includes("decoder") ? ["sampler", "generator"] : ["generator"];
    const part = await this.#partThatDraws(kinds, "sample", options);
    const drawn = await this.#draw(part, nSamples, y, options, randomState);
    return part.entry.kind === "generator" ? this.#fromImages(drawn) : this.inverseTransform(drawn);
  }

  async sampleCodes(nSamples = 1, y = null, { randomState = null, ...choice } = {}) {
    checkCount("nSamples", nSamples, "It is the number of rows to draw.");
    const options = checkOptions(choice);
    return this.#draw(await this.#partThatDraws(["sampler"], "sampleCodes", options), nSamples, y, options, randomState);
  }

  async complete(X, mask, y = null, options = {}) {
    for (const part of ["controlled_sampler", "decoder"]) this.#require(part, "complete");
    return this.inverseTransform(await this.completeCodes(await this.transform(X), mask, y, options));
  }

  async completeCodes(X, mask, y = null, { randomState = null, ...choice } = {}) {
    const part = await this.#open("controlled_sampler", "completeCodes");
    const options = checkOptions(choice);
    const { codes, n } = checkCodes(X, this.#model.priorGrid, "codes");
    const kept = checkMask(mask, this.#model.priorGrid, n);
    return this.#draw(part, n, y, options, randomState, codes.map((code, i) => (kept[i] ? code : -1)));
  }

  async scoreSamples(X, y = null) {
    return this.scoreCodes(await this.transform(X), y);
  }

  async scoreCodes(X, y = null) {
    const part = await this.#open(this.parts.includes("log_likelihood") ? "log_likelihood" : "prior", "scoreCodes");
    const { codes, n } = checkCodes(X, this.#model.priorGrid, "codes");
    const rows = { codes, ...this.#labels(y, n) };
    if (!n) return new Float64Array(0);
    const answer = await part.run(rows, n, this.#options.batchSize);
    return part.entry.kind === "likelihood" ? Float64Array.from(answer) : logLikelihoods(answer, codes, n);
  }

  async bitsPerImage(X, y = null) {
    const scores = await this.scoreSamples(X, y);
    if (!scores.length)
      throw new InvalidInputError("X must hold at least one image; got none. The mean over no images is not defined.");
    return -scores.reduce((sum, score) => sum + score, 0) / scores.length / Math.LN2;
  }

  /** Runs every part, or those named, on the export's test vectors. */
  async verify(...parts) {
    const { vectors } = this.#model;
    if (!vectors) throw new ModelFileError(`${this.#base} has no vectors.json. Export it again with skvq.export_onnx.`);
    const { read, maxBytes, checkHashes } = this.#options;
    const text = new TextDecoder().decode(await readIntact(read, this.#base, vectors, maxBytes, checkHashes));
    const reports = [];
    for (const name of parts.length ? parts : this.parts)
      reports.push(await compareWithVectors(await this.#open(name, "verify"), JSON.parse(text)));
    return reports;
  }

  async #draw(part, n, y, options, randomState, knownCodes = null) {
    const { nCodes } = this.#model.priorGrid;
    const rows = { ...this.#labels(y, n), uniforms: uniforms(randomState, n, nCodes) };
    if (part.entry.inputs.some((tensor) => tensor.role === "known_codes"))
      rows.known_codes = knownCodes ?? new Int32Array(n * nCodes).fill(-1);
    if (!n) return new Int32Array(0);
    // A step of the sampler costs nearly the same for many rows as for one: the smallest power of two that holds them.
    const size = Math.min(MOST_DRAWN_AT_ONCE, 2 ** Math.ceil(Math.log2(n)));
    return part.run(rows, n, size, { temperature: options.temperature, top_k: options.topK, top_p: options.topP });
  }

  #labels(y, n) {
    const labels = checkLabels(this.classes, y, n);
    return labels === null ? {} : { labels };
  }

  /** A part of these kinds that can draw so: a plain one, which is faster, wherever it can. */
  #partThatDraws(kinds, method, { isNarrowed }) {
    const controlled = kinds.map((kind) => `controlled_${kind}`);
    const part = (isNarrowed ? controlled : [...kinds, ...controlled]).find((name) => this.parts.includes(name));
    return this.#open(part ?? (isNarrowed ? controlled : kinds).at(-1), isNarrowed ? `${method} with topK or topP` : method);
  }

  #require(part, method) {
    if (!this.parts.includes(part))
      throw new InvalidInputError(
        `${method} needs the part '${part}'; ${this.#base} holds ${this.parts.join(", ")}. ` +
          "Load a folder that skvq.export_onnx wrote with all that you need.",
      );
  }

  async #open(name, method) {
    this.#require(name, method);
    if (!this.#opened.has(name)) {
      const { ort, read, maxBytes, checkHashes, sessionOptions } = this.#options;
      const entry = this.#model.parts.get(name);
      const opened = readIntact(read, this.#base, entry, maxBytes, checkHashes).then((bytes) =>
        Part.open(entry, this.#model, ort, bytes, sessionOptions),
      );
      this.#opened.set(name, opened);
      opened.catch(() => this.#opened.delete(name)); // a later call may find the network again
    }
    return this.#opened.get(name);
  }

  /** Float images in the dtype of the images that the estimator was fitted to; integers are rounded and clipped. */
  #fromImages(images) {
    const [Numbers, low, high] = DTYPES[this.layout.dtype] ?? [Float32Array];
    if (low === undefined) return Numbers.from(images);
    return Numbers.from(images, (value) => Math.min(Math.max(roundHalfEven(value), low), high));
  }
}

/** As NumPy rounds: halves to the even neighbour. */
function roundHalfEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

function logLikelihoods(logits, codes, n) {
  const size = logits.length / codes.length;
  const scores = new Float64Array(n);
  for (let i = 0; i < codes.length; i++) {
    const row = logits.subarray(i * size, (i + 1) * size);
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    scores[Math.floor((i * n) / codes.length)] += row[codes[i]] - largest - Math.log(total);
  }
  return scores;
}

async function fetchBytes(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new ModelFileError(`${url} cannot be read: ${answer.status}. Check the path, and that the server has the file.`);
  return new Uint8Array(await answer.arrayBuffer());
}
