// One model: read, hashed, opened by onnxruntime, and run row by row in batches of one size.

import { ModelFileError, printable } from "./checks.mjs";

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array };
const LARGEST_LOG = 1e-3; // rounding may lift the logarithm of a probability above 0

// onnxruntime-web runs one thing at a time.
let last = Promise.resolve();
function inTurn(task) {
  const turn = last.then(task);
  last = turn.catch(() => {});
  return turn;
}

/** Returns a file's bytes if they are those that the manifest names. */
export async function readIntact(read, base, entry, maxBytes, checkHashes) {
  const name = base + entry.file;
  if (entry.bytes > maxBytes)
    throw new ModelFileError(`${name} has ${entry.bytes} bytes, more than ${maxBytes}. Pass a larger maxBytes to load.`);
  const bytes = await read(name);
  const hash = checkHashes ? await sha256(bytes, name) : entry.sha256;
  if (hash !== entry.sha256 || bytes.length !== entry.bytes)
    throw new ModelFileError(
      `${name} must have the SHA-256 ${entry.sha256.slice(0, 12)}… and ${entry.bytes} bytes that manifest.json names; ` +
        `it has ${hash.slice(0, 12)}… and ${bytes.length} bytes. The file was changed or only partly copied: copy it again.`,
    );
  return bytes;
}

async function sha256(bytes, name) {
  if (!globalThis.crypto?.subtle)
    throw new ModelFileError(
      `${name} cannot be hashed here: browsers offer SHA-256 on https and localhost alone. ` +
        "Serve the page from there, or pass checkHashes: false to load.",
    );
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Part {
  #session;

  constructor(entry, model, ort, session) {
    Object.assign(this, { entry, model, ort });
    this.#session = session;
  }

  /** Opens a model whose bytes have been checked. */
  static async open(entry, model, ort, bytes, sessionOptions) {
    let session;
    try {
      session = await inTurn(() => ort.InferenceSession.create(bytes, sessionOptions));
    } catch (error) {
      throw new ModelFileError(`${entry.file} cannot be opened by onnxruntime: ${printable(error.message)}.`, { cause: error });
    }
    const said = [entry.inputs, entry.outputs].map((tensors) => tensors.map((tensor) => tensor.name).join(", "));
    const found = [session.inputNames.join(", "), session.outputNames.join(", ")];
    if (said[0] !== found[0] || said[1] !== found[1])
      throw new ModelFileError(
        `${entry.file} describes ${said.join(" -> ")}; its graph has ${printable(found.join(" -> "))}. Do not trust the file.`,
      );
    return new Part(entry, model, ort, session);
  }

  /**
   * Runs n rows in batches of one size, the last one padded, so that no row's answer depends on its neighbours.
   *
   * rows: role -> flat array of n rows; shared: role -> one number for all rows. Returns a flat array of n rows.
   */
  async run(rows, n, size, shared = {}) {
    const answers = [];
    for (let start = 0; start < n; start += size) {
      const feeds = {};
      for (const { name, role, dtype, shape } of this.entry.inputs) {
        const values = role in rows ? batchOf(rows[role], n, start, size) : [shared[role]];
        feeds[name] = this.tensor(dtype, values, shape.map((side) => (side === "batch" ? size : side)));
      }
      const answer = await this.answer(feeds, size);
      answers.push(answer.subarray(0, (answer.length / size) * Math.min(size, n - start)));
    }
    return joined(answers);
  }

  tensor(dtype, values, shape) {
    const Numbers = ARRAYS[dtype];
    const data = dtype === "int64" ? Numbers.from(values, BigInt) : Numbers.from(values);
    return new this.ort.Tensor(dtype, data, shape);
  }

  /** Returns the checked answer to tensors of n rows: floats as Float32Array, codes as Int32Array. */
  async answer(feeds, n) {
    const { name, role, shape } = this.entry.outputs[0];
    let output;
    try {
      output = (await inTurn(() => this.#session.run(feeds)))[name];
    } catch (error) {
      throw new ModelFileError(`${this.entry.file} failed in onnxruntime: ${printable(error.message)}`, { cause: error });
    }
    const data = output.type === "int64" ? Int32Array.from(output.data, Number) : output.data;
    const expected = shape.map((side) => (side === "batch" ? n : side)).join(" × ");
    const wrong = output.dims.join(" × ") === expected ? this.#wrong(role, data) : `shape ${output.dims.join(" × ")}`;
    if (wrong)
      throw new ModelFileError(`${this.entry.file} answers ${wrong}. Its graph does not do what its description says.`);
    return data;
  }

  #wrong(role, data) {
    const grid = this.entry.kind === "sampler" ? this.model.priorGrid : this.model.grid;
    if (role === "codes")
      return data.every((code) => code >= 0 && code < grid.nEmbeddings) ? "" : `codes out of [0, ${grid.nEmbeddings})`;
    if (role === "images") return data.every(Number.isFinite) ? "" : "pixels that are NaN or infinite";
    const largest = role === "log_likelihood" ? LARGEST_LOG : Number.MAX_VALUE;
    return data.every((value) => value <= largest) ? "" : "log-probabilities that are NaN or too large";
  }
}

/** Returns rows start to start + size; missing ones repeat the first. */
function batchOf(values, n, start, size) {
  const length = values.length / n;
  const some = values.slice(start * length, (start + size) * length);
  return values.constructor.from({ length: size * length }, (_, i) => some[i < some.length ? i : i % length]);
}

function joined(arrays) {
  const whole = new arrays[0].constructor(arrays.reduce((sum, array) => sum + array.length, 0));
  let start = 0;
  for (const array of arrays) {
    whole.set(array, start);
    start += array.length;
  }
  return whole;
}
