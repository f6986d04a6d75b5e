// The same calls in Python: tests/test_browser.py writes what skvq.runtime answers, and names the file in SKVQ_EXPECTED.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { loadExport, packageOf } from "./setting.mjs";

const ort = await packageOf("onnxruntime-web");
const skip = ort && process.env.SKVQ_EXPECTED ? false : "there are no answers of Python";
const cases = skip ? [] : JSON.parse(await readFile(process.env.SKVQ_EXPECTED, "utf8"));
const STEP = 1; // whole numbers: rounding may tip a value that lies between two

test("Python's answers are there", { skip }, () => assert.ok(cases.length));

for (const { name, method, parameters, answer, floats } of cases)
  test(`${name}: ${method}(${JSON.stringify(parameters).slice(0, 60)})`, async () => {
    const runtime = await loadExport(name, ort);
    const given = parameters.map((value) => (value?.randomState ? { ...value, randomState: BigInt(value.randomState) } : value));
    const got = await runtime[method](...given);
    if (!floats) return assert.deepEqual(Array.from(got), answer);
    assert.equal(got.length, answer.length);
    const differences = answer.map((value, i) => Math.abs(value - got[i])).filter((value) => value > 1e-3);
    assert.ok(differences.length <= answer.length / 10_000 && differences.every((value) => value <= STEP), differences.slice(0, 5).join());
  });
