// Types of skvq.mjs. Names are those of Python's skvq.runtime in camel case.

import type { InferenceSession, Tensor } from "onnxruntime-common";

/** onnxruntime-web or onnxruntime-node: `import * as ort from "onnxruntime-web"`. */
export interface OnnxRuntime {
  InferenceSession: { create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession> };
  Tensor: typeof Tensor;
}

export interface LoadOptions {
  /** Rows to a run, 8 by default. Shorter batches are padded: 1 answers a single row soonest. */
  batchSize?: number;
  /** Of onnxruntime: `{ executionProviders: ["webgpu"] }`. The default is the processor. */
  sessionOptions?: InferenceSession.SessionOptions;
  /** Largest file to be read, in bytes; 2 ** 29 by default. */
  maxBytes?: number;
  /** false does not compare files with the SHA-256 in the manifest, for pages on http, where browsers have no SHA-256. */
  checkHashes?: boolean;
  /** Reads a file by its path; fetch by default. In Node: `(path) => readFile(path)` of node:fs/promises. */
  read?: (path: string) => Promise<Uint8Array>;
}

/**
 * Opens an export: checks its manifest. Model files are read when they are first needed, and compared with the SHA-256
 * in the manifest.
 *
 * @param path Folder that skvq.export_onnx wrote, as a URL or as a path for `read`.
 * @throws {InvalidInputError} If an argument breaks its rule.
 * @throws {ModelFileError} If the folder is no export of this format, or is damaged or incomplete.
 */
export function load(path: string, ort: OnnxRuntime, options?: LoadOptions): Promise<Runtime>;

/** The grid of codes: each image has one row of nCodes integers in [0, nEmbeddings), in row-major order. */
export interface CodeGrid {
  readonly shape: readonly number[];
  readonly nEmbeddings: number;
  /** Codes at each position. */
  readonly depth: number;
  readonly nPositions: number;
  readonly nCodes: number;
}

export interface Layout {
  /** Shape of a row in Python: [28, 28]. */
  readonly rowShape: readonly number[];
  /** [height, width, channels]: the order of the values in a row. */
  readonly imageShape: readonly number[];
  /** NumPy's name of the dtype of images: "uint8". */
  readonly dtype: string;
  /** Values in a row. */
  readonly nFeatures: number;
}

export type Label = number | string | boolean;
type Numbers = ArrayLike<number>;
/** Rows one after the other in a flat array, or an array of rows. */
export type Rows = Numbers | readonly Numbers[];
/** One class for all rows, or one for each row; only for a conditional prior. */
export type Labels = Label | ArrayLike<Label> | null;
/** Typed array of the layout's dtype: uint8 becomes Uint8Array; float16 Float32Array; int64 and uint64 Float64Array. */
export type Images =
  | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

export interface SamplingOptions {
  /** Above 0, 1 by default. Divides the logits; below 1 the likely codes become likelier. */
  temperature?: number;
  /** Draw from that many likeliest codes at each position; null for all. */
  topK?: number | null;
  /** Draw from the likeliest codes that together reach this probability, in (0, 1]; null for all. */
  topP?: number | null;
  /** An integer >= 0 draws what Python draws for it; above 2 ** 53 as a BigInt. null draws anew at each call. */
  randomState?: number | bigint | null;
}

/** How a part answered its test vectors. */
export interface VectorReport {
  part: string;
  n: number;
  unequalCodes: number;
  maxAbsDifference: number;
  tolerance: number;
  ok: boolean;
}

/**
 * An autoencoder, a prior, or both. Made by load.
 *
 * All methods throw InvalidInputError if an argument breaks its rule or the export lacks a part, and ModelFileError if a
 * file is not the one that the manifest names, or answers what it may not.
 */
export class Runtime {
  private constructor();
  /** What there is to run: "encoder", "decoder", "generator", … */
  readonly parts: readonly string[];
  readonly grid: CodeGrid;
  /** Classes that samples can be asked of, or null. */
  readonly classes: readonly Label[] | null;
  /** null without an autoencoder. */
  readonly layout: Layout | null;
  /** Smallest and largest value of the training images, or null. */
  readonly dataRange: readonly [number, number] | null;
  /** Of the packages that made the files. */
  readonly versions: Readonly<Record<string, string>>;

  /** Reads, checks and opens parts before they are needed. */
  open(...parts: string[]): Promise<void>;
  /** Images, in the unit of the training images, to codes: Int32Array of n * nCodes. Other units are warned of. */
  transform(X: Rows): Promise<Int32Array>;
  /**
   * Codes to images: n * nFeatures values in the unit and dtype of the training images.
   *
   * @param nQuantizers Use the codes of the first stages of a residual quantiser only; null for all.
   */
  inverseTransform(X: Rows, nQuantizers?: number | null): Promise<Images>;
  /** inverseTransform(transform(X)). */
  reconstruct(X: Rows): Promise<Images>;
  /** Draws images: those that Python draws for the same randomState. */
  sample(nSamples?: number, y?: Labels, options?: SamplingOptions): Promise<Images>;
  /** Draws codes: Int32Array of nSamples * nCodes. */
  sampleCodes(nSamples?: number, y?: Labels, options?: SamplingOptions): Promise<Int32Array>;
  /**
   * Keeps some codes of images, draws the others, and returns the images of all.
   *
   * @param mask true keeps the code: nCodes values for all rows, or n * nCodes. Positions in place of codes will do.
   */
  complete(X: Rows, mask: ArrayLike<boolean | number>, y?: Labels, options?: SamplingOptions): Promise<Images>;
  /** The same from codes to codes. */
  completeCodes(X: Rows, mask: ArrayLike<boolean | number>, y?: Labels, options?: SamplingOptions): Promise<Int32Array>;
  /** Log-probability of each image's codes under the prior, in nats. */
  scoreSamples(X: Rows, y?: Labels): Promise<Float64Array>;
  /** Log-probability of each row of codes, in nats. */
  scoreCodes(X: Rows, y?: Labels): Promise<Float64Array>;
  /** Bits that the prior needs for the codes of an image, on average. */
  bitsPerImage(X: Rows, y?: Labels): Promise<number>;
  /** Runs every part, or those named, on the export's test vectors and compares the answers. */
  verify(...parts: string[]): Promise<VectorReport[]>;
}

/** The base of the errors of skvq. */
export class SkvqError extends Error {}
/** An argument breaks its rule. It is thrown before anything is run. */
export class InvalidInputError extends SkvqError {}
/** A file is not one that skvq wrote, is damaged or incomplete, or answers what it may not. */
export class ModelFileError extends SkvqError {}
