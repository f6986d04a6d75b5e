// The tab that keeps the upper rows of a digit's codes and draws the others.

import { choice, newCanvas, newestOnly, paint, samplingControls } from "./pictures.mjs";

const N = 12;
const TEMPERATURE = 0.8;

export async function setUpCompletion(panel, app) {
  const { runtime } = app;
  const [rows, columns] = runtime.grid.shape;
  const size = runtime.layout.nFeatures;
  const kept = panel.querySelector("#kept");
  const whole = panel.querySelector("#whole");
  const canvases = Array.from({ length: N }, () => newCanvas(28));
  const sheet = panel.querySelector(".sheet");
  sheet.replaceChildren(...canvases);
  let label = 3;
  let isStale = false; // the digit has changed while another tab was shown

  const complete = newestOnly(() =>
    app.attempt(async () => {
      isStale = false;
      sheet.classList.add("is-busy");
      press(label);
      const nRows = Number(kept.value);
      kept.nextElementSibling.value = nRows;
      panel.querySelector(".cut i").style.top = `${(100 * nRows) / rows}%`;
      paint(whole, app.pixels, runtime.dataRange);
      const { randomState } = read();
      const X = Array(N).fill(app.pixels);
      const mask = Array.from({ length: runtime.grid.nCodes }, (_, i) => i < nRows * columns);
      const start = performance.now();
      const images = await runtime.complete(X, mask, label, { temperature: TEMPERATURE, randomState });
      const milliseconds = performance.now() - start;
      canvases.forEach((canvas, i) => paint(canvas, images.subarray(i * size, (i + 1) * size), runtime.dataRange));
      panel.querySelector(".python").textContent =
        `runtime = skvq.runtime.load("exports/mnist")\n` +
        `runtime.complete([digit] * ${N}, numpy.arange(${runtime.grid.nCodes}) < ${nRows * columns}, y=${label}, temperature=${TEMPERATURE}, random_state=${randomState})`;
      app.say(`${N} completions in ${milliseconds.toFixed(0)} ms.`);
      sheet.classList.remove("is-busy");
    }),
  );
  const read = samplingControls(panel, complete);
  const press = choice(panel.querySelector(".labels"), runtime.classes, (value) => {
    label = value;
    complete();
  });
  kept.addEventListener("input", () => complete());
  panel.querySelector("#redraw").addEventListener("click", () => app.show("codes"));
  app.addEventListener("pixels", () => (panel.hidden ? (isStale = true) : complete()));
  app.addEventListener("shown", () => {
    if (!panel.hidden && isStale) complete();
  });
  app.say("Loading the sampler that completes…");
  if (app.pixels.some((value) => value > 0)) await complete();
  else app.setPixels(await runtime.sample(1, label, { temperature: TEMPERATURE, randomState: 0 })); // a digit to begin with
}
