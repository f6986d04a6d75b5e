// Where models run: wasm with threads where the page may have them, or WebGPU if it answers every test vector.

import { load } from "./skvq/skvq.mjs";

const MOST_THREADS = 4;
const LONGEST_WAIT = 3000; // milliseconds

/** Opens exports on one device. */
export class Device {
  constructor(ort, providers, name) {
    Object.assign(this, { ort, providers, name });
  }

  load(path) {
    const sessionOptions = { executionProviders: this.providers, logSeverityLevel: 3 };
    return load(path, this.ort, { batchSize: 1, sessionOptions });
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
      return { device: await openWebGpu(path, parts), reason };
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

async function openWebGpu(path, parts) {
  if (!(await navigator.gpu?.requestAdapter())) throw new Error("this browser offers none");
  const ort = await import("onnxruntime-web/webgpu");
  ort.env.logLevel = "error";
  const device = new Device(ort, ["webgpu"], `onnxruntime-web ${ort.env.versions.web}, WebGPU`);
  const runtime = await device.load(path);
  for (const part of parts) {
    const reports = await runtime.verify(part).catch((error) => {
      console.info(error.message);
      throw new Error(`it cannot run the ${part}`);
    });
    if (!reports.every((report) => report.ok)) throw new Error(`it gives other answers for the ${part}`);
  }
  return device;
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
    const isReady = navigator.serviceWorker.ready.then(() => true);
    const isLate = new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT, false));
    if (!(await Promise.race([isReady, isLate]))) return; // some browsers block workers without a word
  } catch {
    return; // without threads
  }
  location.reload();
  await new Promise(() => {}); // nothing is loaded that the reload would throw away
}
