// The tab that draws slices of brains; its models are read when it is first shown.

import { newCanvas, newestOnly, paint, paintCodes, samplingControls } from "./pictures.mjs";

const N = 6;

export async function setUpBrain(panel, app) {
  app.say("Loading the model of brains…");
  const runtime = await app.openBrain();
  const size = runtime.layout.nFeatures;
  let drawn = null;
  const canvases = Array.from({ length: N }, () => newCanvas(64));
  const buttons = canvases.map((canvas, i) => {
    const button = Object.assign(document.createElement("button"), { ariaLabel: `Codes of slice ${i + 1}` });
    button.append(canvas);
    button.addEventListener("click", () => showCodes(i));
    return button;
  });
  const sheet = panel.querySelector(".sheet");
  sheet.replaceChildren(...buttons);

  const showCodes = newestOnly((i) =>
    app.attempt(async () => {
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", k === i));
      const slice = drawn.subarray(i * size, (i + 1) * size);
      const codes = await runtime.transform(slice);
      paint(panel.querySelector("#slice"), slice, runtime.dataRange);
      paintCodes(panel.querySelector("#slice-codes"), codes);
      paint(panel.querySelector("#slice-decoded"), await runtime.inverseTransform(codes), runtime.dataRange);
    }),
  );

  const draw = newestOnly(() =>
    app.attempt(async () => {
      sheet.classList.add("is-busy");
      const { temperature, randomState } = read();
      const start = performance.now();
      drawn = await runtime.sample(N, null, { temperature, randomState });
      const milliseconds = performance.now() - start;
      canvases.forEach((canvas, i) => paint(canvas, drawn.subarray(i * size, (i + 1) * size), runtime.dataRange));
      panel.querySelector(".python").textContent =
        `skvq.runtime.load("exports/brain").sample(${N}, temperature=${temperature}, random_state=${randomState})`;
      app.say(`${N} slices in ${milliseconds.toFixed(0)} ms.`);
      sheet.classList.remove("is-busy");
      await showCodes(0);
    }),
  );
  const read = samplingControls(panel, draw);
  await runtime.open("generator");
  await draw();
}
