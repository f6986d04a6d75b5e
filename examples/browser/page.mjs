// The page: opens the models, shows one tab at a time, and tells what happens.

import { setUpBrain } from "./brain.mjs";
import { setUpCodes } from "./codes.mjs";
import { setUpCompletion } from "./completion.mjs";
import { chooseDevice, isolate } from "./device.mjs";
import { setUpDigits } from "./digits.mjs";

const EXPORTS = document.querySelector('meta[name="exports"]').content;
const FIRST_PARTS = ["encoder", "decoder", "generator"];
const TABS = ["digits", "codes", "completion", "brain"];

/** What the tabs share. */
class App extends EventTarget {
  /** The digit that the tabs work on, values of 0 to 255. */
  pixels = new Float32Array(28 * 28);
  shown = null;
  #setUp = new Set();

  constructor(device, runtime, reason) {
    super();
    Object.assign(this, { device, runtime, reason });
  }

  setPixels(pixels) {
    this.pixels = Float32Array.from(pixels);
    this.dispatchEvent(new Event("pixels"));
  }

  say(text) {
    document.getElementById("status").textContent = `${this.device.name}. ${text} ${this.reason}`;
  }

  /** Runs a task; what goes wrong is shown to the reader. */
  async attempt(task) {
    try {
      await task();
      document.getElementById("alert").hidden = true;
    } catch (error) {
      alertOf(error);
    }
  }

  async show(tab) {
    if (tab === this.shown) return;
    this.shown = tab;
    for (const name of TABS) {
      document.getElementById(name).hidden = name !== tab;
      document.getElementById(`tab-${name}`).setAttribute("aria-selected", name === tab);
    }
    history.replaceState(null, "", `#${tab}`);
    const setUp = { digits: setUpDigits, codes: setUpCodes, completion: setUpCompletion, brain: setUpBrain }[tab];
    if (!this.#setUp.has(tab)) {
      this.#setUp.add(tab); // a tab's models are read when it is first shown
      await this.attempt(() => setUp(document.getElementById(tab), this));
    } else {
      this.say("");
      this.dispatchEvent(new Event("shown"));
    }
  }

  openBrain() {
    return this.device.load(`${EXPORTS}brain`);
  }
}

function alertOf(error) {
  const alert = document.getElementById("alert");
  alert.textContent = error.message;
  alert.hidden = false;
}

async function start() {
  await isolate();
  const select = document.getElementById("device");
  const wanted = new URLSearchParams(location.search).get("device") ?? "wasm";
  select.addEventListener("change", () => location.assign(`?device=${select.value}${location.hash}`));
  let chosen;
  try {
    chosen = await chooseDevice(wanted, `${EXPORTS}mnist`, FIRST_PARTS);
  } catch (error) {
    throw new Error(`onnxruntime-web cannot be loaded (${error.message}). Run npm install in examples/browser.`, { cause: error });
  }
  select.value = chosen.device.providers[0];
  const runtime = await chosen.device.load(`${EXPORTS}mnist`);
  const app = new App(chosen.device, runtime, chosen.reason);
  for (const tab of TABS) document.getElementById(`tab-${tab}`).addEventListener("click", () => app.show(tab));
  const asked = location.hash.slice(1);
  await app.show(TABS.includes(asked) ? asked : "digits");
  window.app = app; // for the curious, at the browser's console
}

start().catch(alertOf);
