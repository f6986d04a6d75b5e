// Checks of codes with several stages at a position, of which no export is shipped.

import assert from "node:assert/strict";
import { test } from "node:test";

import { checkFirst, checkMask } from "../../examples/browser/skvq/checks.mjs";

const GRID = { shape: [1, 2], nEmbeddings: 9, depth: 2, nPositions: 2, nCodes: 4 };

test("the first stages keep their codes, and later ones are left to the decoder", () => {
  assert.deepEqual([...checkFirst([1, 2, 3, 4, 5, 6, 7, 8], GRID, 1).codes], [1, -1, 3, -1, 5, -1, 7, -1]);
  assert.deepEqual([...checkFirst([1, 2, 3, 4], GRID, null).codes], [1, 2, 3, 4]);
});

const masks = [
  [[true, false], [1, 1, 0, 0, 1, 1, 0, 0]],
  [[1, 0, 1, 1], [1, 0, 1, 1, 1, 0, 1, 1]],
  [[1, 0, 1, 1, 0, 0, 0, 1], [1, 0, 1, 1, 0, 0, 0, 1]],
];
for (const [mask, expected] of masks)
  test(`a mask of ${mask.length} values for two rows of two positions`, () => {
    assert.deepEqual([...checkMask(mask, GRID, 2)], expected);
  });
