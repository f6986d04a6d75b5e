// Compares the answers of a part with the test vectors of its export.

import { ModelFileError } from "./checks.mjs";

const RELATIVE_TOLERANCE = 1e-5; // of the range of the training images, as where exports are compared with Keras

/** Null stands for minus infinity, which JSON lacks. */
function difference(value, expected) {
  return value === (expected ?? -Infinity) ? 0 : Math.abs(value - expected);
}

/** Returns { part, n, unequalCodes, maxAbsDifference, tolerance, ok }; codes must be equal, floats within the tolerance. */
export async function compareWithVectors(part, vectors) {
  const { entry } = part;
  const expected = vectors.files?.[entry.file];
  if (!expected) throw new ModelFileError(`vectors.json says nothing of ${entry.file}. Copy the export again.`);
  const feeds = {};
  for (const { name, dtype } of entry.inputs) feeds[name] = part.tensor(dtype, expected.inputs[name].data, expected.inputs[name].shape);
  const { name, role } = entry.outputs[0];
  const { data, shape } = expected.outputs[name];
  const answer = await part.answer(feeds, shape[0]);
  const report = { part: entry.part, n: shape[0], unequalCodes: 0, maxAbsDifference: 0, tolerance: 0, ok: false };
  if (role === "codes") {
    report.unequalCodes = answer.reduce((sum, code, i) => sum + (code !== data[i]), 0);
  } else {
    const magnitude = role === "images" ? Math.max(...part.model.dataRange.map(Math.abs)) : Math.max(1, ...data.map(Math.abs));
    report.tolerance = RELATIVE_TOLERANCE * magnitude;
    report.maxAbsDifference = answer.reduce((most, value, i) => Math.max(most, difference(value, data[i])), 0);
  }
  report.ok = report.unequalCodes === 0 && report.maxAbsDifference <= report.tolerance;
  return report;
}
