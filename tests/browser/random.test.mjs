// The numbers of NumPy, bit for bit: uniforms.json holds those that skvq draws in Python.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { uniforms } from "../../examples/browser/skvq/random.mjs";

const cases = JSON.parse(await readFile(new URL("uniforms.json", import.meta.url), "utf8"));

for (const { seed, n_samples: n, n_codes: nCodes, words } of cases)
  test(`seed ${seed}`, () => {
    const numbers = uniforms(BigInt(seed), n, nCodes);
    assert.equal(numbers.length, n * nCodes);
    assert.deepEqual(Array.from(numbers, (value) => value * 16777216), words);
  });

test("a number and a BigInt are the same seed", () => {
  assert.deepEqual(uniforms(7, 2, 5), uniforms(7n, 2, 5));
});

test("the first rows do not depend on how many follow", () => {
  assert.deepEqual(uniforms(0, 3, 7), uniforms(0, 5, 7).subarray(0, 21));
});

test("null draws anew at each call, in [0, 1)", () => {
  const [first, second] = [uniforms(null, 400, 100), uniforms(undefined, 400, 100)];
  assert.notDeepEqual(first, second);
  assert.ok(first.every((value) => value >= 0 && value < 1));
  const mean = first.reduce((sum, value) => sum + value, 0) / first.length;
  assert.ok(Math.abs(mean - 0.5) < 0.01, `mean ${mean}`); // seven standard errors
});

for (const seed of [-1, 1.5, "3", NaN, -1n, true])
  test(`${typeof seed} ${seed} is no seed`, () => {
    assert.throws(() => uniforms(seed, 1, 1), /randomState must be an integer >= 0, a BigInt >= 0n, or null; got .*\. Pass an integer/);
  });

test("a number that JavaScript has rounded is refused, and a BigInt advised", () => {
  assert.throws(() => uniforms(2 ** 60, 1, 1), /got 1152921504606847000\. Above 9007199254740991, pass a BigInt/);
});
