"use strict";
// A page that computes with a network of `subjective export --to web`. It loads nothing but the files of its folder.

let network, runtime;
const addNetwork = (found) => { network = found; };
const addRuntime = (found) => { runtime = found; };

const find = (name) => document.getElementById(name);
const words = new URLSearchParams(location.search); // ?on=wasm computes on the CPU

function element(tag, given = {}, ...children) {
  const made = Object.assign(document.createElement(tag), given);
  made.append(...children);
  return made;
}

function report(text, wrong = false) {
  find("state").textContent = text;
  find("state").classList.toggle("wrong", wrong);
}

async function unpack(text) {
  const packed = await fetch(`data:application/octet-stream;base64,${text}`);
  return new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// The worker: the runtime's library stands before this function in the worker's script.
function work() {
  let session;
  const answers = {
    async begin({ module, program, model, place, threads }) {
      const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
      Object.assign(ort.env.wasm, { wasmPaths: { mjs: address }, wasmBinary: program, numThreads: threads });
      ort.env.logLevel = "error";
      session = await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: [place] });
    },
    async run(given) {
      const feeds = {};
      for (const [name, [type, values, dims]] of Object.entries(given)) feeds[name] = new ort.Tensor(type, values, dims);
      const start = performance.now();
      const made = (await session.run(feeds))[session.outputNames[0]];
      const numbers = await made.getData();
      const seconds = (performance.now() - start) / 1000;
      const [, , height, width] = made.dims;
      const pixels = new Uint8ClampedArray(4 * height * width).fill(255); // rounds to the nearest level
      for (let channel = 0; channel < 3; channel++)
        for (let i = 0; i < height * width; i++) pixels[4 * i + channel] = 255 * numbers[channel * height * width + i];
      made.dispose();
      return { pixels, width, height, seconds };
    },
  };
  onmessage = async ({ data: [name, given] }) => {
    try {
      postMessage({ found: await answers[name](given) });
    } catch (error) {
      postMessage({ problem: String((error && error.message) || error) });
    }
  };
}

class Computer {
  static async begin(place) {
    await new Promise((resolve, reject) => {
      const script = element("script", { src: `runtime-${place}.js`, onload: resolve });
      script.onerror = () => reject(new Error(`runtime-${place}.js is missing: export the page again`));
      document.head.append(script);
    });
    const computer = new Computer();
    const source = new Blob([runtime.library, `\n(${work})();`], { type: "text/javascript" });
    computer.worker = new Worker(URL.createObjectURL(source));
    computer.place = place;
    const [program, model] = await Promise.all([unpack(runtime.program), unpack(network.model)]);
    // Browsers lend several cores only to pages that a server isolates by two headers (docs/networks.md).
    computer.threads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
    await computer.ask("begin", { module: runtime.module, program, model, place, threads: computer.threads });
    runtime = undefined;
    return computer;
  }

  ask(name, given) {
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => ("problem" in data ? reject(new Error(data.problem)) : resolve(data.found));
      this.worker.onerror = (event) => reject(new Error(event.message || "the worker does not start"));
      this.worker.postMessage([name, given]);
    });
  }
}

async function hasGpu() {
  const adapter = navigator.gpu && (await navigator.gpu.requestAdapter().catch(() => null));
  return Boolean(adapter) && !(adapter.info && adapter.info.isFallbackAdapter);
}

// One picture after the other: what was asked for while a picture was made is made next, and only the newest.
class Painter {
  constructor(view) {
    this.view = view;
    this.wanted = this.busy = false; // the picture is busy from the start, until the first has been made
  }

  async begin() {
    const place = words.get("on") || ((await hasGpu()) ? "webgpu" : "wasm");
    try {
      this.computer = await Computer.begin(place);
    } catch (error) {
      if (!this.mayFallBack(place)) throw error;
      this.computer = await Computer.begin("wasm");
    }
    this.draw();
  }

  mayFallBack(place) {
    return place !== "wasm" && !words.get("on");
  }

  async run() {
    const feeds = this.view.feeds(this.computer.place);
    if (!feeds) return;
    if (network.sources.length > 1) feeds.blend = ["float32", Float32Array.from(blend()), [network.sources.length]];
    const made = await this.computer.ask("run", feeds);
    this.view.show(new ImageData(made.pixels, made.width, made.height));
    const cores = this.computer.threads > 1 ? `, ${this.computer.threads} threads` : "";
    const how = this.computer.place === "wasm" ? `WebAssembly${cores}` : "WebGPU";
    report(`${made.width} × ${made.height} in ${made.seconds.toFixed(2)} s (${how})`);
  }

  setBusy(busy) {
    this.busy = busy;
    find("picture").setAttribute("aria-busy", busy);
  }

  async draw() {
    this.wanted = true;
    if (this.busy || !this.computer) return;
    this.setBusy(true);
    while (this.wanted) {
      this.wanted = false;
      try {
        await this.run().catch(async (error) => {
          if (!this.mayFallBack(this.computer.place)) throw error;
          this.computer = await Computer.begin("wasm");
          await this.run();
        });
      } catch (error) {
        report(error.message, true);
      }
      await new Promise(requestAnimationFrame);
    }
    this.setBusy(false);
    this.view.done();
  }
}

// The shares of the sources

let sliders = [];

function blend() {
  const numbers = sliders.map((slider) => Number(slider.value));
  if (network.sources.length === 2) return [1 - numbers[0], numbers[0]];
  const total = numbers.reduce((sum, number) => sum + number, 0);
  return numbers.map((number) => (total > 0 ? number / total : 1 / numbers.length));
}

function slider(name, text, value, most, changed) {
  const input = element("input", { type: "range", name, min: 0, max: most, step: 0.01, oninput: changed });
  input.value = value;
  find(name === "strength" ? "of-network" : "blends").append(element("label", {}, text, input));
  return input;
}

function addBlends(changed) {
  const names = network.sources;
  if (names.length === 2) sliders = [slider("blend", `${names[0]} to ${names[1]}`, 0.5, 1, changed)];
  if (names.length > 2) sliders = names.map((name, i) => slider(`blend${i}`, name, 1, 1, changed));
}

// A texture, as large as the window. It tiles: where the window is larger than what is computed, it repeats.

class Texture {
  constructor(changed) {
    this.seed = element("input", { type: "number", name: "seed", min: 0, max: 4294967295, value: 0, oninput: changed });
    const next = element("button", { type: "button", textContent: "another" });
    next.onclick = () => { this.seed.value = Math.floor(Math.random() * 2 ** 32); changed(); };
    this.most = element("select", { name: "most", onchange: changed });
    for (const side of [256, 512, 1024, 2048]) this.most.append(element("option", { value: side }, `${side} px`));
    this.most.prepend(element("option", { value: "", selected: true }, "automatic"));
    find("of-network").append(
      element("label", {}, "seed", this.seed), next, element("label", {}, "largest side", this.most));
    this.tile = element("canvas");
    addEventListener("resize", () => { this.fill(); changed(); });
    this.fill();
  }

  feeds(place) {
    const most = Number(this.most.value) || (place === "webgpu" ? 2048 : 512);
    const step = 2 ** (network.scales - 1); // of other sizes, a texture tiles less exactly
    const side = (length) => Math.max(step, Math.min(most, Math.ceil(length / step) * step));
    const size = [side(innerHeight), side(innerWidth)];
    const seed = Math.min(Math.max(0, Math.trunc(Number(this.seed.value) || 0)), 4294967295);
    return {
      size: ["int64", BigInt64Array.from(size.map(BigInt)), [2]],
      seed: ["int64", BigInt64Array.of(BigInt(seed)), [1]],
    };
  }

  show(image) {
    Object.assign(this.tile, { width: image.width, height: image.height });
    this.tile.getContext("2d").putImageData(image, 0, 0);
    this.fill();
  }

  fill() {
    const canvas = find("picture");
    Object.assign(canvas, { width: innerWidth, height: innerHeight });
    const context = canvas.getContext("2d");
    context.fillStyle = this.tile.width ? context.createPattern(this.tile, "repeat") : "#222";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }

  done() {}
}

// A style, on a picture from a file, from the clipboard or dropped on the page, or on what the camera sees

class Style {
  constructor(changed) {
    this.changed = changed;
    document.body.classList.add("style");
    const file = element("input", { type: "file", name: "file", accept: "image/*" });
    file.onchange = () => this.open(file.files[0]);
    this.camera = element("button", { type: "button", textContent: "camera" });
    this.camera.onclick = () => this.toggleCamera();
    const save = element("button", { type: "button", textContent: "save" });
    save.onclick = () => find("picture").toBlob((data) => {
      const link = element("a", { href: URL.createObjectURL(data), download: `${network.name}.png` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
    this.most = element("select", { name: "most", onchange: changed });
    for (const side of [256, 384, 512, 768, 1024, 2048]) this.most.append(element("option", { value: side }, `${side} px`));
    this.most.value = "512";
    find("of-network").append(
      element("label", {}, "picture", file), this.camera, save, element("label", {}, "largest side", this.most));
    this.strength = slider("strength", "strength", 1, 2, changed);
    document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dragged"); };
    document.ondragleave = () => document.body.classList.remove("dragged");
    document.ondrop = (event) => {
      event.preventDefault();
      document.body.classList.remove("dragged");
      if (event.dataTransfer.files.length) this.open(event.dataTransfer.files[0]);
    };
    document.onpaste = (event) => { if (event.clipboardData.files.length) this.open(event.clipboardData.files[0]); };
  }

  async open(file) {
    if (!file) return;
    try {
      const picture = await createImageBitmap(file);
      this.stop();
      this.picture = picture;
      this.changed();
    } catch {
      report(`${file.name} cannot be read as a picture; choose a PNG, JPEG or WebP`, true);
    }
  }

  async toggleCamera() {
    if (this.video) return this.stop();
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: true });
      this.video = element("video", { srcObject: stream, muted: true, playsInline: true });
      await this.video.play();
      this.camera.textContent = "stop the camera";
      this.changed();
    } catch (error) {
      this.stop();
      report(`no camera: ${error.message}`, true);
    }
  }

  stop() {
    if (this.video) for (const track of this.video.srcObject.getTracks()) track.stop();
    this.video = undefined;
    this.camera.textContent = "camera";
  }

  feeds() {
    const picture = this.video || this.picture;
    if (!picture) return report("choose a picture, drop one here, or start the camera");
    const [wide, high] = [picture.videoWidth || picture.width, picture.videoHeight || picture.height];
    const factor = Math.min(1, Number(this.most.value) / Math.max(wide, high));
    const [width, height] = [wide, high].map((side) => Math.max(16, Math.round(side * factor)));
    const context = element("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    Object.assign(context, { fillStyle: "#fff", imageSmoothingQuality: "high" });
    context.fillRect(0, 0, width, height);
    context.drawImage(picture, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const numbers = new Float32Array(3 * width * height);
    for (let channel = 0; channel < 3; channel++)
      for (let i = 0; i < width * height; i++) numbers[channel * width * height + i] = data[4 * i + channel] / 255;
    return {
      picture: ["float32", numbers, [1, 3, height, width]],
      strength: ["float32", Float32Array.of(this.strength.value), [1]],
    };
  }

  show(image) {
    const canvas = find("picture");
    Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  done() {
    if (this.video) this.changed();
  }
}

addEventListener("DOMContentLoaded", async () => {
  find("controls").onsubmit = (event) => event.preventDefault();
  if (!network) return report("network.js is missing: export the page again", true);
  document.title = document.querySelector("h1").textContent = network.name;
  document.querySelector("h1").title = `licence: ${network.licence}`;
  let painter;
  const changed = () => painter && painter.draw();
  painter = new Painter(network.kind === "texture" ? new Texture(changed) : new Style(changed));
  addBlends(changed);
  try {
    await painter.begin();
  } catch (error) {
    painter.setBusy(false);
    report(`the network cannot run here: ${error.message}`, true);
  }
});
