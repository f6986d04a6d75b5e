// Pixels on canvases, colours of codes, and the buttons that hold them.

/** Paints one grey image of values in [low, high] on a canvas of its size. */
export function paint(canvas, values, [low, high]) {
  const image = new ImageData(canvas.width, canvas.height);
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    const shade = (255 * (values[i] - low)) / (high - low);
    image.data.set([shade, shade, shade, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function newCanvas(width, height = width) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** Neighbouring codes mean nothing, so neighbouring numbers get far hues: steps of the golden angle. */
export function codeColor(code) {
  return `hsl(${(code * 137.508) % 360} 62% ${70 + 8 * Math.sin(code)}%)`;
}

/** Paints a map of codes, a pixel each. */
export function paintCodes(canvas, codes) {
  const context = canvas.getContext("2d");
  codes.forEach((code, i) => {
    context.fillStyle = codeColor(code);
    context.fillRect(i % canvas.width, Math.floor(i / canvas.width), 1, 1);
  });
}

/** Fills an element with buttons, one for each value, of which one is pressed; returns a function that presses one. */
export function choice(element, values, onChoose) {
  const buttons = values.map((value) => {
    const button = Object.assign(document.createElement("button"), { textContent: value });
    button.addEventListener("click", () => onChoose(value));
    return button;
  });
  element.replaceChildren(...buttons);
  return (chosen) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", values[i] === chosen));
}

/** Runs a task for the newest request alone: while one runs, only the last that comes is kept. */
export function newestOnly(task) {
  let running = false;
  let waiting = null;
  return async (...values) => {
    waiting = values;
    if (running) return;
    running = true;
    try {
      while (waiting) {
        const now = waiting;
        waiting = null;
        await task(...now);
      }
    } finally {
      running = false;
    }
  };
}

/** Wires the controls temperature, seed and next of a panel; returns a function that reads them. */
export function samplingControls(panel, onChange) {
  const temperature = panel.querySelector(".temperature");
  const seed = panel.querySelector(".seed");
  const read = () => ({
    temperature: temperature ? Number(temperature.value) : 1,
    randomState: /^\d+$/.test(seed.value) ? BigInt(seed.value) : 0n,
  });
  temperature?.addEventListener("input", () => {
    temperature.nextElementSibling.value = Number(temperature.value).toFixed(1);
    onChange();
  });
  seed.addEventListener("input", () => onChange());
  panel.querySelector(".next").addEventListener("click", () => {
    seed.value = String(read().randomState + 1n);
    onChange();
  });
  return read;
}
