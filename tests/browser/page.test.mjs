// The page in a headless Chromium, used as a person uses it. SKVQ_SCREENSHOTS names a folder for pictures of it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { ROOT, packageOf, vectorsOf } from "./setting.mjs";
import { serve } from "./server.mjs";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const MOST_BYTES = 7e6; // of a first visit, after gzip
const IMAGE_TOLERANCE = 1e-3; // in the images' unit, of 0 to 255

const playwright = await packageOf("playwright-core");
const ort = await packageOf("onnxruntime-web");
const skip = !playwright || !ort ? "npm install in examples/browser has not been run" : CHROMIUM ? false : "there is no Chromium";

describe("page", { skip, timeout: 240_000 }, () => {
  let browser, context, page, server;
  const complaints = [];

  before(async () => {
    server = await serve(ROOT);
    browser = await playwright.chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    context = await browser.newContext({ viewport: { width: 1100, height: 900 } });
    page = await newPage(context);
    await page.goto(`${server.url}examples/browser/`);
    await drawn(page, /64 digits in/);
  });

  after(async () => {
    await browser?.close();
    server?.close();
  });

  async function newPage(context) {
    const page = await context.newPage();
    page.on("console", (message) => {
      // These tests read canvases back, which Chromium advises on.
      if (["error", "warning"].includes(message.type()) && !/getImageData/.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    return page;
  }

  function drawn(page, text) {
    return page.waitForFunction((source) => new RegExp(source).test(document.getElementById("status").textContent), text.source, { timeout: 120_000 });
  }

  async function picture(name, of = page) {
    if (process.env.SKVQ_SCREENSHOTS) await of.screenshot({ path: `${process.env.SKVQ_SCREENSHOTS}/${name}.png`, fullPage: true });
  }

  test("a first visit stays below 7 MB", () => {
    const total = [...server.sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    console.log(`first visit: ${(total / 1e6).toFixed(2)} MB after gzip, ${server.sent.size} files`);
    assert.ok(total <= MOST_BYTES, `${total} bytes`);
    assert.ok(![...server.sent.keys()].some((path) => path.includes("brain/")), "the brain tab is read later");
  });

  test("the service worker gives it threads", async () => {
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    assert.match(await page.textContent("#status"), /wasm, [2-9] threads|wasm, 1 thread\./);
  });

  test("every part gives the answers of the vectors", async () => {
    const reports = await page.evaluate(() => app.runtime.verify());
    assert.deepEqual(reports.map((report) => report.part), ["encoder", "decoder", "controlled_sampler", "generator"]);
    for (const report of reports) {
      assert.equal(report.unequalCodes, 0, report.part);
      assert.ok(report.maxAbsDifference <= IMAGE_TOLERANCE, `${report.part}: ${report.maxAbsDifference}`);
    }
  });

  test("digits are those of Python", async () => {
    const { random_state: randomState, y, files } = await vectorsOf("mnist");
    const images = await page.evaluate(([n, y, options]) => app.runtime.sample(n, y, options).then((x) => [...x]), [y.length, y, { randomState }]);
    const expected = files["generator.onnx"].outputs.images.data;
    assert.ok(images.every((value, i) => Math.abs(value - expected[i]) <= 0.5 + IMAGE_TOLERANCE));
    await picture("digits");
  });

  test("a label, a seed and a temperature draw other digits", async () => {
    const pixels = () => page.evaluate(() => document.querySelector("#digits .sheet canvas").toDataURL());
    const before = await pixels();
    await page.click("#digits .labels button:nth-child(8)");
    await page.waitForFunction(() => /y=7/.test(document.querySelector("#digits .python").textContent));
    const seven = await pixels();
    assert.notEqual(seven, before);
    await page.click("#digits .next");
    await page.waitForFunction(() => /random_state=1\)/.test(document.querySelector("#digits .python").textContent));
    assert.notEqual(await pixels(), seven);
    assert.match(await page.textContent("#digits .python"), /sample\(64, y=7, temperature=0\.8, random_state=1\)/);
  });

  test("a drawn digit becomes codes; another code changes the picture there", async () => {
    await page.click("#tab-codes");
    await page.waitForFunction(() => document.querySelectorAll("#codes .code-map button").length === 49);
    const box = await page.locator("#drawing").boundingBox();
    const at = (x, y) => [box.x + (box.width * x) / 28, box.y + (box.height * y) / 28];
    await page.mouse.move(...at(7, 7));
    await page.mouse.down();
    for (const [x, y] of [[20, 7], [17, 13], [14, 18], [12, 23]]) await page.mouse.move(...at(x, y), { steps: 8 });
    await page.mouse.up();
    await drawn(page, /Decoded in/);
    await page.waitForTimeout(300);
    const error = Number((await page.textContent("#error")).match(/[\d.]+/)[0]);
    assert.ok(error < 0.02, `a drawn seven is rebuilt with an error of ${error}`);
    const decoded = () => page.evaluate(() => [...document.getElementById("decoded").getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0));
    const before = await decoded();
    await page.click("#codes .code-map button:nth-child(44)"); // row 7, column 2: black so far
    assert.match(await page.textContent("#palette h2"), /row 7, column 2/);
    const stroke = await page.textContent("#codes .code-map button:nth-child(10)"); // row 2, column 3: the seven's top
    await page.waitForTimeout(1500); // the previews
    await page.click(`#palette .swatches button:nth-child(${Number(stroke) + 1})`);
    await page.waitForFunction(() => /1 changed by you/.test(document.getElementById("edited").textContent));
    await page.waitForTimeout(300);
    const change = (await decoded()).map((value, i) => Math.abs(value - before[i]));
    const near = change.filter((_, i) => Math.abs(Math.floor(i / 28) - 25.5) < 6 && Math.abs((i % 28) - 5.5) < 6);
    const far = change.filter((_, i) => Math.floor(i / 28) < 5); // out of the decoder's reach
    assert.ok(Math.max(...near) > 50, `changed by ${Math.max(...near)} there`);
    assert.ok(Math.max(...far) < 1, `changed by ${Math.max(...far)} far away`);
    await picture("codes");
  });

  test("the upper rows of a completion stay", async () => {
    await page.click("#tab-completion");
    await drawn(page, /12 completions in/);
    await page.click("#completion .labels button:nth-child(8)");
    await page.waitForFunction(() => /y=7/.test(document.querySelector("#completion .python").textContent));
    const completions = await page.evaluate(() =>
      [...document.querySelectorAll("#completion .sheet canvas")].map((canvas) => [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)),
    );
    assert.equal(completions.length, 12);
    const spread = (from, to) => {
      let sum = 0;
      for (let i = 28 * from; i < 28 * to; i++) {
        const values = completions.map((pixels) => pixels[i]);
        sum += Math.max(...values) - Math.min(...values);
      }
      return sum / (28 * (to - from));
    };
    assert.ok(spread(0, 8) < 0.1 * spread(16, 28), `${spread(0, 8)} above, ${spread(16, 28)} below`);
    await picture("completion");
  });

  test("brains are read when their tab is opened", async () => {
    await page.click("#tab-brain");
    await drawn(page, /6 slices in/);
    await page.waitForFunction(() => document.querySelector('#brain .sheet button[aria-pressed="true"]'));
    await page.waitForTimeout(500);
    await picture("brain");
  });

  test("it fits a phone", async () => {
    const phone = await newPage(await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }));
    await phone.goto(`${server.url}examples/browser/`);
    await drawn(phone, /64 digits in/);
    for (const tab of ["digits", "codes", "completion", "brain"]) {
      await phone.click(`#tab-${tab}`);
      await phone.waitForTimeout(300);
      const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 390, `${tab} is ${wide} pixels wide`);
    }
    await phone.click("#tab-digits");
    await picture("phone-digits", phone);
    await phone.click("#digits .sheet button:nth-child(3)"); // to the tab that edits it
    await phone.waitForFunction(() => /Squared error/.test(document.getElementById("error").textContent));
    await phone.click("#codes .code-map button:nth-child(25)");
    await phone.waitForTimeout(1500);
    await picture("phone-codes", phone);
    await phone.close();
  });

  test("a browser without WebGPU is told so, and computes by wasm", async () => {
    const plain = await context.newPage(); // whose console names the missing adapter
    await plain.goto(`${server.url}examples/browser/?device=webgpu`);
    await drawn(plain, /64 digits in/);
    assert.match(await plain.textContent("#status"), /wasm.*WebGPU is not used: this browser offers none\./);
    await plain.close();
  });

  test("a missing model is told of in words", async () => {
    const alone = await browser.newContext({ serviceWorkers: "block" }); // as they would answer in place of the test
    const broken = await alone.newPage();
    await broken.route("**/manifest.json", (route) => route.fulfill({ status: 404 }));
    await broken.goto(`${server.url}examples/browser/`);
    await broken.waitForSelector("#alert:not([hidden])");
    assert.match(await broken.textContent("#alert"), /manifest\.json cannot be read: 404/);
    assert.match(await broken.evaluate(() => String(crossOriginIsolated)), /false/);
    await alone.close();
  });

  test("nothing complained at the console", () => {
    assert.deepEqual(complaints, []);
  });
});
