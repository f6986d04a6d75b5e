// The errors of skvq, and the checks of what callers pass: rows of images, codes, masks, labels, options.

export class SkvqError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An argument breaks its rule. It is thrown before anything is run. */
export class InvalidInputError extends SkvqError {}

/** A file is not one that skvq wrote, is damaged or incomplete, or answers what it may not. */
export class ModelFileError extends SkvqError {}

const LARGEST_CODE = 2 ** 31 - 2;
const SMALLEST_TEMPERATURE = 1e-30;
const LARGEST_TEMPERATURE = 1e30;
const SMALLEST_PART = 1 / 64; // of the fitted range that images should fill
const FARTHEST = 0.5; // spans that images may leave the fitted range by

export function invalid(name, rule, received, wayOut) {
  return new InvalidInputError(`${name} must ${rule}; got ${received}. ${wayOut}`);
}

/** Returns text of a file or a caller so that it is safe to show: one short line of visible characters. */
export function printable(value) {
  let text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  if (text.length > 200) text = `${text.slice(0, 100)}…${text.slice(-100)}`;
  return text.replace(/[\p{C}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

export function checkCount(name, value, wayOut = "Pass a whole number, such as 8.") {
  if (!Number.isSafeInteger(value) || value < 1) throw invalid(name, "be an integer >= 1", printable(value), wayOut);
  return value;
}

/** Throws if options are left over that nothing takes. */
export function checkNames(others, names) {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid("options", `be of ${names}`, printable(unknown), "Correct the name, or leave it out.");
}

/** Returns { temperature, topK, topP } after checking them; topK 0 and topP 1 stand for all codes. */
export function checkOptions({ temperature = 1, topK = null, topP = null, ...others }) {
  checkNames(others, "temperature, topK, topP, randomState");
  if (typeof temperature !== "number" || !(temperature > 0) || temperature === Infinity)
    throw invalid(
      "temperature",
      "be finite and > 0",
      printable(temperature),
      "1 samples from the model itself; 0.8 is a common choice for more typical samples.",
    );
  if (temperature < SMALLEST_TEMPERATURE || temperature > LARGEST_TEMPERATURE)
    throw invalid(
      "temperature",
      "lie between 1e-30 and 1e30, so that logits can be divided by it in float32",
      temperature,
      "Instead of a very low temperature, use topK: 1, which draws the most likely code.",
    );
  if (topK !== null)
    checkCount("topK", topK, "It is the number of most likely codes to draw from; null draws from all codes.");
  if (topP !== null && (typeof topP !== "number" || !(topP > 0 && topP <= 1)))
    throw invalid(
      "topP",
      "be in (0, 1], or null",
      printable(topP),
      "It is the total probability of the codes to draw from; null draws from all codes.",
    );
  return { temperature, topK: Math.min(topK ?? 0, LARGEST_CODE), topP: topP ?? 1, isNarrowed: topK !== null || topP !== null };
}

/** Returns rows as one flat array, and how many they are. Rows come flat, or as an array of arrays. */
function flat(name, rows, rowLength, what) {
  const isArray = Array.isArray(rows) || (ArrayBuffer.isView(rows) && !(rows instanceof DataView));
  if (!isArray)
    throw invalid(name, `be an array of numbers, or an array of rows`, printable(typeof rows), `Pass ${what}.`);
  if (Array.isArray(rows) && typeof rows[0] === "object" && rows[0] !== null) {
    const wrong = rows.find((row) => row?.length !== rowLength);
    if (wrong !== undefined)
      throw invalid(name, `have ${rowLength} values to a row`, `a row of ${wrong?.length ?? typeof wrong}`, `Pass ${what}.`);
    const joined = new Float64Array(rows.length * rowLength);
    rows.forEach((row, i) => joined.set(Array.from(row, Number), i * rowLength));
    return { values: joined, n: rows.length };
  }
  if (rows.length % rowLength)
    throw invalid(name, `have ${rowLength} values to a row`, `${rows.length} values in all`, `Pass ${what}.`);
  return { values: rows, n: rows.length / rowLength };
}

/** Returns { images: Float32Array, n } for rows of images in the unit of the training data; warns of other units. */
export function checkRows(X, layout, dataRange) {
  const shape = layout.imageShape.join(" × ");
  const { values, n } = flat("X", X, layout.nFeatures, `images of ${shape} values, row by row, channels last`);
  const images = values instanceof Float32Array ? values : Float32Array.from(values, Number);
  if (!images.every(Number.isFinite))
    throw invalid("X", "be finite in float32", "NaN, infinity or text", "Drop such rows, or fill the gaps.");
  if (n && layout.imageShape.length > 1) warnOfUnits(images, dataRange);
  return { images, n };
}

function warnOfUnits(images, [low, high]) {
  const span = high - low;
  const [lowest, highest] = images.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const fillsLittle = 0 < highest - lowest && highest - lowest < SMALLEST_PART * span;
  if (!span || (!fillsLittle && lowest >= low - FARTHEST * span && highest <= high + FARTHEST * span)) return;
  console.warn(
    `X has values from ${lowest} to ${highest}, which ${fillsLittle ? "fill a small part of" : "leave"} [${low}, ${high}], ` +
      "the range of the images that the model was fitted to. Bring X to that unit, for instance by X * 255 or X / 255.",
  );
}

/** Returns { codes: Int32Array, n } for rows of codes of a grid. */
export function checkCodes(X, grid, name = "X") {
  const { values, n } = flat(name, X, grid.nCodes, `${grid.nCodes} codes for each image, as transform returns them`);
  const codes = Array.from(values, Number);
  const wrong = codes.find((code) => !Number.isInteger(code) || code < 0 || code >= grid.nEmbeddings);
  if (wrong !== undefined)
    throw invalid(
      name,
      `hold codes, which are whole numbers in [0, ${grid.nEmbeddings})`,
      wrong,
      "Codes are what transform returns. Pass images through it first.",
    );
  return { codes: Int32Array.from(codes), n };
}

/** Returns codes of the first stages, with -1 for the later ones: { codes: Int32Array of n * nCodes, n }. */
export function checkFirst(X, grid, nQuantizers) {
  if (nQuantizers === null || nQuantizers === undefined) return checkCodes(X, grid);
  if (!Number.isInteger(nQuantizers) || nQuantizers < 1 || nQuantizers > grid.depth)
    throw invalid("nQuantizers", `be an integer from 1 to ${grid.depth}`, printable(nQuantizers), "null takes all stages.");
  const { codes, n } = checkCodes(X, grid);
  return { codes: codes.map((code, i) => (i % grid.depth < nQuantizers ? code : -1)), n };
}

/** Returns a mask as Uint8Array of n * nCodes; a mask of one row stands for all rows, one of positions for all codes. */
export function checkMask(mask, grid, n) {
  const lengths = [grid.nCodes, n * grid.nCodes, grid.nPositions, n * grid.nPositions];
  const isArray = Array.isArray(mask) || ArrayBuffer.isView(mask);
  const kept = isArray ? Array.from(mask, (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : 2)) : [];
  if (!isArray || !lengths.includes(kept.length) || kept.includes(2))
    throw invalid(
      "mask",
      `be an array of ${[...new Set(lengths)].join(" or ")} booleans, flat in row-major order`,
      isArray ? `${kept.length} values${kept.includes(2) ? ", not all of them booleans" : ""}` : printable(typeof mask),
      "true keeps the code at that position.",
    );
  const perCode = kept.length % grid.nCodes === 0 && lengths.slice(0, 2).includes(kept.length);
  const row = perCode ? grid.nCodes : grid.nPositions;
  return Uint8Array.from({ length: n * grid.nCodes }, (_, i) => {
    const inRow = perCode ? i % row : Math.floor((i % grid.nCodes) / grid.depth);
    return kept[kept.length === row ? inRow : Math.floor(i / grid.nCodes) * row + inRow];
  });
}

/** Returns the index of each row's class, as an array of n numbers; null for a prior without classes. */
export function checkLabels(classes, y, n) {
  if (classes === null) {
    if (y !== null && y !== undefined)
      throw new InvalidInputError("y must be null: this prior was fitted without classes. Leave y out.");
    return null;
  }
  if (y === null || y === undefined)
    throw new InvalidInputError("y must be given: a conditional prior needs the class of every row. Pass one class, or an array.");
  const labels = Array.isArray(y) || ArrayBuffer.isView(y) ? Array.from(y) : Array(n).fill(y);
  if (labels.length !== n)
    throw invalid(
      "y",
      `have one class for each of the ${n} rows`,
      labels.length,
      "Pass one class for each row, or a single class for all rows.",
    );
  const listed = classes.slice(0, 20).map((value) => JSON.stringify(value)).join(", ");
  return labels.map((label) => {
    const index = classes.indexOf(label);
    if (index < 0)
      throw invalid("y", `hold classes that the prior was fitted with, [${listed}${classes.length > 20 ? ", …" : ""}]`, printable(label), "Use one of these.");
    return index;
  });
}
