// The tab that draws new digits by label.

import { choice, newCanvas, newestOnly, paint, samplingControls } from "./pictures.mjs";

const N = 64;

export async function setUpDigits(panel, app) {
  const { runtime } = app;
  const size = runtime.layout.nFeatures;
  let label = 3;
  let drawn = null;
  const canvases = Array.from({ length: N }, () => newCanvas(28));
  const buttons = canvases.map((canvas, i) => {
    const button = Object.assign(document.createElement("button"), { ariaLabel: `Edit digit ${i + 1}` });
    button.append(canvas);
    button.addEventListener("click", () => {
      app.setPixels(drawn.subarray(i * size, (i + 1) * size));
      app.show("codes");
    });
    return button;
  });
  const sheet = panel.querySelector(".sheet");
  sheet.replaceChildren(...buttons);

  const draw = newestOnly(() =>
    app.attempt(async () => {
      sheet.classList.add("is-busy");
      press(label);
      const options = read();
      const start = performance.now();
      drawn = await runtime.sample(N, label, options);
      const milliseconds = performance.now() - start;
      canvases.forEach((canvas, i) => paint(canvas, drawn.subarray(i * size, (i + 1) * size), runtime.dataRange));
      const { temperature, randomState } = options;
      panel.querySelector(".python").textContent =
        `skvq.runtime.load("exports/mnist").sample(${N}, y=${label}, temperature=${temperature}, random_state=${randomState})`;
      app.say(`${N} digits in ${milliseconds.toFixed(0)} ms.`);
      sheet.classList.remove("is-busy");
    }),
  );
  const read = samplingControls(panel, draw);
  const press = choice(panel.querySelector(".labels"), runtime.classes, (value) => {
    label = value;
    draw();
  });
  app.say("Loading the model…");
  await runtime.open("generator");
  await draw();
}
