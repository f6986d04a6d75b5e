// What the tests share: onnxruntime-web as npm installed it beside the page, and exports read from the disk.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

import { load } from "../../examples/browser/skvq/skvq.mjs";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const BROWSER = `${ROOT}examples/browser/`;
export const EXPORTS = ["digits", "mnist", "brain"];

const installed = createRequire(`${BROWSER}package.json`);

/** Returns a package that npm installed beside the page, or null. */
export async function packageOf(name) {
  if (!existsSync(`${BROWSER}node_modules/${name}`)) return null;
  const loaded = await import(pathToFileURL(installed.resolve(name)));
  return loaded.default ?? loaded;
}

/** Reads a file of an export; `changed` are contents in place of those on the disk. */
export function reader(changed = {}) {
  return async (path) => {
    const name = path.split("/").at(-1);
    return name in changed ? changed[name] : new Uint8Array(await readFile(path));
  };
}

export function loadExport(name, ort, options = {}) {
  return load(`${ROOT}exports/${name}`, ort, { read: reader(), ...options });
}

export async function manifestOf(name) {
  return JSON.parse(await readFile(`${ROOT}exports/${name}/manifest.json`, "utf8"));
}

export async function vectorsOf(name) {
  return JSON.parse(await readFile(`${ROOT}exports/${name}/vectors.json`, "utf8"));
}

/** A stand-in for onnxruntime, for what has to fail before anything is run. */
export const noRuntime = {
  InferenceSession: { create: () => Promise.reject(new Error("nothing may be opened")) },
  Tensor: class {},
};

export function bytesOf(value) {
  return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
}
