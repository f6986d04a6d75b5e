// Where models run: wasm with threads where the page may have them, or WebGPU if it answers every test vector.

import { load } from "./skvq/skvq.mjs";

const MOST_THREADS = 4;

/** Opens exports on one device. */
export class Device {
  constructor(ort, providers, name) {
    Object.assign(this, { ort, providers, name });
  }

  load(path) {
    return load(path, this.ort, { batchSize: 1, sessionOptions: { executionProviders: this.providers } });
  }
}

/**
 * Returns { device, reason }. WebGPU is kept only if all the parts named give the answers of an export's test vectors;
 * reason says why not.
 */
export async function chooseDevice(wanted, path, parts) {
  let reason = "";
  if (wanted === "webgpu") {
    try {
      if (!(await navigator.gpu?.requestAdapter())) throw new Error("this browser offers no WebGPU");
      const ort = await import("onnxruntime-web/webgpu");
      const device = new Device(ort, ["webgpu"], `onnxruntime-web ${ort.env.versions.web}, WebGPU`);
      const reports = await (await device.load(path)).verify(...parts);
      const wrong = reports.filter((report) => !report.ok).map((report) => report.part);
      if (wrong.length) throw new Error(`other answers than expected by ${wrong.join(", ")}`);
      return { device, reason };
    } catch (error) {
      reason = `WebGPU is not used: ${error.message}.`;
    }
  }
  const ort = await import("onnxruntime-web");
  const threads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  ort.env.wasm.numThreads = threads;
  const name = `onnxruntime-web ${ort.env.versions.web}, wasm, ${threads} thread${threads > 1 ? "s" : ""}`;
  return { device: new Device(ort, ["wasm"], name), reason };
}

/**
 * Threads need two headers that many hosts do not send; a service worker adds them. Returns once the page is as it will
 * be: it is reloaded once, where that helps.
 */
export async function isolate() {
  if (crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem("isolation")) return;
  sessionStorage.setItem("isolation", "tried");
  try {
    await navigator.serviceWorker.register("service-worker.js");
    await navigator.serviceWorker.ready;
  } catch {
    return; // without threads
  }
  location.reload();
  await new Promise(() => {}); // nothing is loaded that the reload would throw away
}
