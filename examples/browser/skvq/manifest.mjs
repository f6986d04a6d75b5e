// What an export says about itself in manifest.json, checked entry by entry before any model is read.

import { ModelFileError, printable } from "./checks.mjs";

const FORMAT = "skvq-export";
const FORMAT_VERSION = 2;
const MOST_VALUES = 2 ** 31;

// Kind of a part -> the roles that its inputs may have, and the role of its one output.
const KINDS = {
  encoder: [["images"], "codes"],
  decoder: [["codes"], "images"],
  autoencoder: [["images"], "images"],
  prior: [["codes", "labels"], "logits"],
  likelihood: [["codes", "labels"], "log_likelihood"],
  sampler: [["uniforms", "temperature", "top_k", "top_p", "known_codes", "labels"], "codes"],
  generator: [["uniforms", "temperature", "top_k", "top_p", "known_codes", "labels"], "images"],
};
const OPTIONAL = ["labels", "top_k", "top_p", "known_codes"];
const NEEDS_AUTOENCODER = ["encoder", "decoder", "autoencoder", "generator"];
const NEEDS_PRIOR = ["prior", "likelihood", "sampler", "generator"];
const TENSOR_DTYPES = ["float32", "int64", "uint8"];

const isCount = (value) => Number.isInteger(value) && value > 0 && value <= MOST_VALUES;
const isShape = (value) => Array.isArray(value) && value.length > 0 && value.length <= 8 && value.every(isCount);
const isText = (value) => typeof value === "string";
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const product = (sides) => sides.reduce((a, b) => a * b, 1);

/**
 * Returns what a manifest says, under the names of this module.
 *
 * { grid, layout, dataRange, priorGrid, classes, versions, parts, vectors }: parts is a Map of part ->
 * { part, kind, file, inputs, outputs, sha256, bytes }.
 */
export function parseManifest(text, name) {
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw new ModelFileError(`${name} is not JSON: ${printable(error.message)}. Copy the export again.`, { cause: error });
  }
  if (!isObject(manifest) || manifest.format !== FORMAT)
    throw new ModelFileError(
      `${name} was not written by skvq: it does not name the format '${FORMAT}'. Export with skvq.export_onnx.`,
    );
  if (manifest.format_version !== FORMAT_VERSION)
    throw new ModelFileError(
      `${name} has format version ${printable(manifest.format_version)}; this module reads ${FORMAT_VERSION}. ` +
        "Export the model again, with the skvq that this module came with.",
    );
  const check = (holds, entry, words, value) => {
    if (holds) return;
    const received = value === undefined || value === null ? "nothing" : printable(value);
    throw new ModelFileError(
      `${name} is incomplete or damaged: ${printable(entry)} must be ${words}; got ${received}. ` +
        "Copy the export again, or make it again with skvq.export_onnx.",
    );
  };
  const model = { ...readAutoencoder(manifest, check), ...readPrior(manifest, check) };
  check(model.grid || model.priorGrid, "grid", "there, or prior/grid", manifest.grid);
  check(isObject(manifest.files) && Object.keys(manifest.files).length, "files", "an object that is not empty", manifest.files);
  const parts = new Map();
  for (const [file, entry] of Object.entries(manifest.files)) {
    const isPlainName = /^[^/\\\0]+\.onnx$/.test(file) && !file.startsWith(".");
    if (!isPlainName)
      throw new ModelFileError(`${name} names the file ${printable(file)}, which is no .onnx file beside it.`);
    checkFile(entry, `files/${file}`, check);
    checkRoles(entry, `files/${file}`, model, check);
    check(!parts.has(entry.part), `files/${file}/part`, "of no other file", entry.part);
    parts.set(entry.part, { ...entry, file });
  }
  if (manifest.vectors !== undefined) {
    checkContent(manifest.vectors, "vectors", check);
    check(manifest.vectors.file === "vectors.json", "vectors/file", "'vectors.json'", manifest.vectors.file);
  }
  return { ...model, parts, versions: isObject(manifest.versions) ? manifest.versions : {}, vectors: manifest.vectors ?? null };
}

function readAutoencoder(manifest, check) {
  const entries = ["grid", "data_range", "layout"];
  if (isObject(manifest.prior) && entries.every((entry) => manifest[entry] === undefined))
    return { grid: null, layout: null, dataRange: null };
  const grid = readGrid(manifest.grid, "grid", check);
  const range = manifest.data_range;
  const isRange = Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] <= range[1];
  check(isRange, "data_range", "two finite numbers, the smaller first", range);
  const { row_shape: rowShape, image_shape: imageShape, dtype } = isObject(manifest.layout) ? manifest.layout : {};
  check(isShape(rowShape), "layout/row_shape", "a list of whole numbers above 0", rowShape);
  check(isShape(imageShape), "layout/image_shape", "a list of whole numbers above 0", imageShape);
  check(product(rowShape) === product(imageShape), "layout/row_shape", `of images of shape ${imageShape}`, rowShape);
  check(isText(dtype) && /^(u?int(8|16|32|64)|float(16|32|64))$/.test(dtype), "layout/dtype", "a NumPy dtype of numbers", dtype);
  return { grid, dataRange: range, layout: Object.freeze({ rowShape, imageShape, dtype, nFeatures: product(imageShape) }) };
}

function readPrior(manifest, check) {
  const prior = manifest.prior ?? null;
  if (prior === null) return { priorGrid: null, classes: null };
  check(isObject(prior), "prior", "an object", prior);
  const areClasses =
    Array.isArray(prior.classes) &&
    prior.classes.length > 0 &&
    new Set(prior.classes).size === prior.classes.length &&
    prior.classes.every((value) => ["string", "boolean"].includes(typeof value) || Number.isFinite(value));
  check(prior.classes === null || areClasses, "prior/classes", "null, or a list of different numbers or texts", prior.classes);
  return { priorGrid: readGrid(prior.grid, "prior/grid", check), classes: prior.classes };
}

function readGrid(grid, entry, check) {
  const { shape, n_embeddings: nEmbeddings, depth } = isObject(grid) ? grid : {};
  check(isShape(shape) && shape.length <= 3, `${entry}/shape`, "one to three whole numbers above 0", shape);
  check(isCount(nEmbeddings), `${entry}/n_embeddings`, "a whole number above 0", nEmbeddings);
  check(isCount(depth), `${entry}/depth`, "a whole number above 0", depth);
  const nPositions = product(shape);
  return Object.freeze({ shape, nEmbeddings, depth, nPositions, nCodes: nPositions * depth });
}

function checkFile(entry, way, check) {
  check(isObject(entry), way, "an object", entry);
  for (const key of ["part", "kind"]) check(isText(entry[key]), `${way}/${key}`, "a text", entry[key]);
  checkContent(entry, way, check);
  for (const side of ["inputs", "outputs"]) {
    check(Array.isArray(entry[side]) && entry[side].length, `${way}/${side}`, "a list that is not empty", entry[side]);
    entry[side].forEach((tensor, i) => {
      for (const key of ["name", "role"]) check(isText(tensor?.[key]), `${way}/${side}/${i}/${key}`, "a text", tensor?.[key]);
      check(TENSOR_DTYPES.includes(tensor.dtype), `${way}/${side}/${i}/dtype`, TENSOR_DTYPES.join(" or "), tensor.dtype);
    });
  }
}

function checkContent(entry, way, check) {
  check(isObject(entry), way, "an object", entry);
  check(isText(entry.sha256) && /^[0-9a-f]{64}$/.test(entry.sha256), `${way}/sha256`, "64 hexadecimal digits", entry.sha256);
  check(isCount(entry.bytes), `${way}/bytes`, "a whole number above 0", entry.bytes);
}

/** Throws unless a part's inputs and outputs are what its kind needs, in the shapes of this model. */
function checkRoles(entry, way, model, check) {
  check(Object.hasOwn(KINDS, entry.kind), `${way}/kind`, `one of ${Object.keys(KINDS).join(", ")}`, entry.kind);
  check(model.grid || !NEEDS_AUTOENCODER.includes(entry.kind), "grid", `there for a part of the kind '${entry.kind}'`, null);
  check(model.priorGrid || !NEEDS_PRIOR.includes(entry.kind), "prior", `there for a part of the kind '${entry.kind}'`, null);
  const [all, output] = KINDS[entry.kind];
  const allowed = all.filter((role) => role !== "labels" || model.classes);
  const needed = allowed.filter((role) => !OPTIONAL.includes(role) || role === "labels");
  const roles = entry.inputs.map((tensor) => tensor.role);
  const isRight = new Set(roles).size === roles.length && needed.every((role) => roles.includes(role));
  check(isRight && roles.every((role) => allowed.includes(role)), `${way}/inputs`, `of the roles ${needed.join(", ")}`, roles);
  check(entry.outputs.length === 1 && entry.outputs[0].role === output, `${way}/outputs`, `one of the role '${output}'`, entry.outputs);
  for (const tensor of [...entry.inputs, ...entry.outputs]) {
    const shape = shapeOf(tensor.role, model);
    check(JSON.stringify(tensor.shape) === JSON.stringify(shape), `${way}/${tensor.name}/shape`, JSON.stringify(shape), tensor.shape);
  }
}

function shapeOf(role, model) {
  const { nCodes } = model.grid ?? model.priorGrid;
  if (role === "images") return ["batch", ...model.layout.imageShape];
  if (["codes", "known_codes", "uniforms"].includes(role)) return ["batch", nCodes];
  if (["temperature", "top_k", "top_p"].includes(role)) return [];
  if (role === "logits") return ["batch", nCodes, model.priorGrid.nEmbeddings];
  return ["batch"]; // labels, log_likelihood
}
