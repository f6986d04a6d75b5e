// The tab with a canvas to draw on, its codes as a map to edit, and what the codes decode to.

import { codeColor, newCanvas, newestOnly, paint } from "./pictures.mjs";

const SIDE = 28;
const PEN = 1.9; // pixels: a stroke as wide as in the training data
const AROUND = 4; // pixels shown on each side of a place in the palette

export async function setUpCodes(panel, app) {
  const { runtime } = app;
  const [, columns] = runtime.grid.shape;
  const step = SIDE / columns; // pixels to a code
  const drawing = panel.querySelector("#drawing");
  const decoded = panel.querySelector("#decoded");
  const palette = panel.querySelector("#palette");
  let codes = new Int32Array(runtime.grid.nCodes);
  let edited = new Set();
  let chosen = null;

  const cells = Array.from(codes, (_, i) => {
    const cell = document.createElement("button");
    cell.addEventListener("click", () => openPalette(i));
    return cell;
  });
  panel.querySelector(".code-map").replaceChildren(...cells);
  const swatches = Array.from({ length: runtime.grid.nEmbeddings }, (_, code) => {
    const swatch = Object.assign(document.createElement("button"), { ariaLabel: `code ${code}` });
    swatch.style.background = codeColor(code);
    swatch.append(newCanvas(step + 2 * AROUND), String(code));
    swatch.addEventListener("click", () => change(chosen, code));
    return swatch;
  });
  palette.querySelector(".swatches").replaceChildren(...swatches);

  const place = (i) => `row ${1 + Math.floor(i / columns)}, column ${1 + (i % columns)}`;

  function showCodes() {
    cells.forEach((cell, i) => {
      cell.textContent = codes[i];
      cell.ariaLabel = `${place(i)}: code ${codes[i]}`;
      cell.style.background = codeColor(codes[i]);
      cell.setAttribute("aria-pressed", i === chosen);
    });
    panel.querySelector("#edited").textContent = edited.size
      ? `${edited.size} changed by you. Draw or clear to start again.`
      : "49 numbers of 128: 43 bytes.";
    swatches.forEach((swatch, code) => swatch.setAttribute("aria-pressed", chosen !== null && codes[chosen] === code));
  }

  const decode = newestOnly(() =>
    app.attempt(async () => {
      const start = performance.now();
      const values = await runtime.inverseTransform(codes);
      const milliseconds = performance.now() - start;
      paint(decoded, values, runtime.dataRange);
      const error = values.reduce((sum, value, i) => sum + ((value - app.pixels[i]) / 255) ** 2, 0) / values.length;
      panel.querySelector("#error").textContent = `Squared error: ${error.toFixed(4)}`;
      app.say(`Decoded in ${milliseconds.toFixed(1)} ms.`);
    }),
  );

  const encode = newestOnly(() =>
    app.attempt(async () => {
      codes = await runtime.transform(app.pixels);
      edited = new Set();
      showCodes();
      await decode();
    }),
  );

  function change(i, code) {
    codes[i] = code;
    edited.add(i);
    showCodes();
    decode();
  }

  function openPalette(i) {
    chosen = i;
    palette.hidden = false;
    palette.querySelector("h2").textContent = `Another code for ${place(i)}`;
    showCodes();
    preview();
  }

  /** Decodes the map once for each code at the chosen place, and shows what that place becomes. */
  const preview = newestOnly(() =>
    app.attempt(async () => {
      const at = chosen;
      const around = new Int32Array(codes);
      const top = Math.floor(at / columns) * step - AROUND;
      const left = (at % columns) * step - AROUND;
      for (const [code, swatch] of swatches.entries()) {
        around[at] = code;
        const whole = await runtime.inverseTransform(around);
        const canvas = swatch.firstChild;
        const part = Float32Array.from({ length: canvas.width ** 2 }, (_, i) => {
          const [y, x] = [top + Math.floor(i / canvas.width), left + (i % canvas.width)];
          return y >= 0 && y < SIDE && x >= 0 && x < SIDE ? whole[y * SIDE + x] : 0;
        });
        paint(canvas, part, runtime.dataRange);
        const context = canvas.getContext("2d");
        context.fillStyle = "rgb(128 128 128 / 25%)";
        context.fillRect(AROUND, AROUND, step, step);
        if (chosen !== at) return; // another place was clicked meanwhile
      }
    }),
  );

  app.addEventListener("pixels", () => {
    chosen = null;
    palette.hidden = true;
    paint(drawing, app.pixels, runtime.dataRange);
    encode();
  });
  letDraw(drawing, app);
  panel.querySelector("#clear").addEventListener("click", () => app.setPixels(new Float32Array(SIDE * SIDE)));
  paint(drawing, app.pixels, runtime.dataRange);
  await encode();
}

/** Lets a pointer draw on a canvas, into the digit that the tabs share. */
function letDraw(canvas, app) {
  let before = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.x) * SIDE) / box.width, ((event.clientY - box.y) * SIDE) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    before = at(event);
    stroke(before);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (before && event.buttons & 1) stroke(at(event));
  });
  canvas.addEventListener("pointerup", () => (before = null));

  function stroke([x, y]) {
    const pixels = Float32Array.from(app.pixels);
    for (let row = 0; row < SIDE; row++)
      for (let column = 0; column < SIDE; column++) {
        const distance = toSegment([column + 0.5, row + 0.5], before, [x, y]);
        const i = row * SIDE + column;
        pixels[i] = Math.max(pixels[i], 255 * Math.min(1, Math.max(0, PEN - distance)));
      }
    before = [x, y];
    app.setPixels(pixels);
  }
}

/** Distance of a point to the line from a to b. */
function toSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const part = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return Math.hypot(x - ax - part * dx, y - ay - part * dy);
}
