// A picture that can be enlarged and moved. Viewers that share a View are linked: one pixel is as large in all of them.
import { el } from "./util.js";

export class View extends EventTarget {
  constructor() {
    super();
    this.zoom = null;  // screen pixels for each pixel of the picture; null fits the picture into the viewer
    this.x = 0;  // what is in the middle of the viewer: pixels from the middle of the picture
    this.y = 0;
  }
  change(fields) {
    Object.assign(this, fields);
    this.dispatchEvent(new Event("change"));
  }
  fit() {
    this.change({ zoom: null, x: 0, y: 0 });
  }
}

const LARGE = 4096;  // beyond this, a reduced picture is sent, and parts of full size on demand
const PART = 1024;  // side of a part
const MOST_PARTS = 24;  // that are kept: 100 MB

// A picture to draw: its address, the size at which it counts, and the next address once this one has arrived.
export class Layer {
  constructor(changed) {
    this.changed = changed;
    this.image = null;
    this.size = null;
    this.address = null;
    this.parts = new Map();  // by their addresses: where a part lies, and its picture once it has arrived
    this.loading = false;
    this.waiting = null;
    this.failed = false;
  }
  // The next picture is asked for only when the last one has arrived.
  show(picture) {
    if (!picture) {
      Object.assign(this, { image: null, address: null, waiting: null, full: null, size: null });
      this.parts.clear();
      return this.changed();
    }
    if (picture.address === this.address) {
      if (picture.size && String(picture.size) !== String(this.size)) { this.size = picture.size; this.changed(); }
      return;
    }
    if (this.loading) { this.waiting = picture; return; }
    this.loading = true;
    const image = new Image();
    const done = (failed) => {
      this.loading = false;
      this.failed = failed;
      if (!failed) {
        this.image = image;
        this.size = picture.size || [image.naturalHeight, image.naturalWidth];
        this.parts.clear();
        this.full = picture.full;
      }
      const next = this.waiting;
      this.waiting = null;
      this.changed();
      if (next) this.show(next);
    };
    this.address = picture.address;
    image.onload = () => done(false);
    image.onerror = () => done(true);
    image.src = picture.address;
  }
  // Ask for the parts of full size that are seen, if what is here was reduced. Those that were seen longest ago go.
  sharpen(left, top, width, height) {
    if (!this.full || width < 1 || height < 1 || width * height > (MOST_PARTS / 2) * PART ** 2) return;
    const [rows, columns] = this.size;
    for (let y = Math.floor(top / PART) * PART; y < Math.min(top + height, rows); y += PART) {
      for (let x = Math.floor(left / PART) * PART; x < Math.min(left + width, columns); x += PART) {
        const address = this.full(x, y, Math.min(PART, columns - x), Math.min(PART, rows - y));
        const part = this.parts.get(address) || this.load(address, x, y);
        this.parts.delete(address);
        this.parts.set(address, part);
      }
    }
    for (const address of [...this.parts.keys()].slice(0, -MOST_PARTS)) this.parts.delete(address);
  }
  load(address, left, top) {
    const image = new Image(), part = { image: null, left, top };
    image.onload = () => {
      part.image = image;
      this.changed();
    };
    image.onerror = () => this.parts.delete(address);
    image.src = address;
    return part;
  }
}

export const isLarge = (size) => Boolean(size) && Math.max(size[0], size[1]) > LARGE;

export class Viewer {
  constructor(view, label) {
    this.view = view;
    this.tiles = 1;
    this.wipe = null;  // where the second layer begins, as a share of the width
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": label });
    this.caption = el("span", { class: "caption" });
    this.second = el("span", { class: "caption right", hidden: true });
    this.hint = el("span", { class: "hint", hidden: true });
    this.bar = el("button", {
      class: "wipe", hidden: true, role: "slider", "aria-label": "Where the second picture begins",
      "aria-valuemin": "0", "aria-valuemax": "100",
    });
    this.box = el("div", { class: "view" }, this.canvas, this.caption, this.second, this.hint, this.bar);
    view.first ??= this;
    this.layer = new Layer(() => {
      const fit = `${view.zoom} ${this.layer.size}`;  // the linked viewers follow a picture of another size
      if (view.zoom === null && view.first === this && fit !== this.fit) view.change({});
      else this.draw();
      this.fit = fit;
    });
    this.other = new Layer(() => this.draw());
    this.redraw = () => this.draw();
    view.addEventListener("change", this.redraw);
    this.watcher = new ResizeObserver(this.redraw);
    this.watcher.observe(this.box);
    this.listen();
  }
  close() {
    this.view.removeEventListener("change", this.redraw);
    this.watcher.disconnect();
  }
  get shown() {
    return this.layer.size || this.other.size || [256, 256];
  }
  // The first viewer says how large a pixel is when the picture fits; the linked ones follow.
  fitting() {
    if (this.view.first !== this && this.view.first.layer.size) return this.view.first.fitting();
    const [height, width] = this.shown;
    const found = Math.min(this.canvas.clientWidth / (width * this.tiles), this.canvas.clientHeight / (height * this.tiles));
    return Math.max(found, 0.001);
  }
  get zoom() {
    return this.view.zoom ?? this.fitting();
  }
  setWipe(share) {
    this.wipe = share === null ? null : Math.max(0, Math.min(1, share));
    this.bar.hidden = this.second.hidden = this.wipe === null;
    if (this.wipe !== null) {
      this.bar.style.left = `${this.wipe * 100}%`;
      this.bar.setAttribute("aria-valuenow", Math.round(this.wipe * 100));
    }
    this.draw();
  }
  draw() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.paint();
    });
  }
  paint() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const split = this.wipe === null ? width : Math.round(this.wipe * width);
    this.paintLayer(context, this.layer, 0, split, ratio);
    if (this.wipe !== null) this.paintLayer(context, this.other, split, width, ratio);
    this.hint.hidden = Boolean(this.layer.image) || !this.hint.textContent;
  }
  paintLayer(context, layer, from, to, ratio) {
    if (!layer.image || from >= to) return;
    const zoom = this.zoom * ratio, [rows, columns] = layer.size;
    const { width, height } = this.canvas;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, height);
    context.clip();
    const scale = (zoom * columns) / layer.image.naturalWidth;
    context.imageSmoothingEnabled = scale < 2;
    context.imageSmoothingQuality = scale < 1 ? "high" : "low";  // enlarged, both look alike, and one takes half the time
    const tileWidth = columns * zoom, tileHeight = rows * zoom;
    const left = width / 2 - (this.view.x * zoom) - (tileWidth * this.tiles) / 2;
    const top = height / 2 - (this.view.y * zoom) - (tileHeight * this.tiles) / 2;
    for (let row = 0; row < this.tiles; row++) {
      for (let column = 0; column < this.tiles; column++) {
        // Whole pixels, so that no line shows between two tiles.
        const x = Math.round(left + column * tileWidth), y = Math.round(top + row * tileHeight);
        const right = Math.round(left + (column + 1) * tileWidth), bottom = Math.round(top + (row + 1) * tileHeight);
        if (right < from || x > to || bottom < 0 || y > height) continue;
        context.drawImage(layer.image, x, y, right - x, bottom - y);
        if (this.tiles > 1) continue;
        context.imageSmoothingEnabled = zoom < 2;
        for (const { image, left: skip, top: above } of layer.parts.values()) {
          if (!image) continue;
          const from = Math.round(left + skip * zoom), over = Math.round(top + above * zoom);
          const until = Math.round(left + (skip + image.naturalWidth) * zoom), under = Math.round(top + (above + image.naturalHeight) * zoom);
          context.drawImage(image, from, over, until - from, under - over);
        }
      }
    }
    context.restore();
    if (layer.full && this.tiles === 1 && scale > 1.01) {
      const x = Math.max(0, Math.floor(-left / zoom)), y = Math.max(0, Math.floor(-top / zoom));
      const wide = Math.min(columns - x, Math.ceil(width / zoom) + 1), high = Math.min(rows - y, Math.ceil(height / zoom) + 1);
      clearTimeout(layer.timer);
      layer.timer = setTimeout(() => layer.sharpen(x, y, wide, high), 150);
    }
  }
  zoomBy(factor, event) {
    const before = this.zoom, after = Math.min(64, Math.max(0.02, before * factor));
    let { x, y } = this.view;
    if (event) {
      const box = this.canvas.getBoundingClientRect();
      const across = event.clientX - box.left - box.width / 2, down = event.clientY - box.top - box.height / 2;
      x += across / before - across / after;
      y += down / before - down / after;
    }
    this.view.change({ zoom: after, x, y });
  }
  moveBy(across, down) {
    this.view.change({ zoom: this.zoom, x: this.view.x - across / this.zoom, y: this.view.y - down / this.zoom });
  }
  listen() {
    const { canvas } = this, fingers = new Map();
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)), event);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      if (fingers.size === 2) {
        const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
        const spread = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
        this.zoomBy(spread(event) / Math.max(spread(last), 1), event);
      } else {
        this.moveBy(event.clientX - last.clientX, event.clientY - last.clientY);
      }
      fingers.set(event.pointerId, event);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("dblclick", () => this.view.fit());
    canvas.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 160 : 40;
      const moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
      if (moves[event.key]) this.moveBy(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
      else if (event.key === "-") this.zoomBy(0.8);
      else if (event.key === "0") this.view.fit();
      else if (event.key === "1") this.view.change({ zoom: 1 });
      else return;
      event.preventDefault();
    });
    this.bar.addEventListener("pointerdown", (event) => {
      this.bar.setPointerCapture(event.pointerId);
      this.dragging = true;
    });
    this.bar.addEventListener("pointermove", (event) => {
      if (!this.dragging) return;
      const box = this.box.getBoundingClientRect();
      this.setWipe((event.clientX - box.left) / box.width);
    });
    for (const end of ["pointerup", "pointercancel"]) this.bar.addEventListener(end, () => (this.dragging = false));
    this.bar.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (by === undefined) return;
      this.setWipe(this.wipe + by);
      event.preventDefault();
    });
  }
}

// The buttons that enlarge, and say how much.
export function zoomTools(view, viewer) {
  const shown = el("button", { class: "number", title: "full size", onclick: () => view.change({ zoom: 1 }) });
  const update = () => {
    shown.textContent = `${Math.round(viewer.zoom * 100)} %`;
    shown.setAttribute("aria-label", `${shown.textContent}: full size`);
  };
  view.addEventListener("change", () => requestAnimationFrame(update));
  setTimeout(update, 300);
  return el("span", { class: "group push", role: "group", "aria-label": "Size" },
    el("button", { onclick: () => viewer.zoomBy(0.8), "aria-label": "Smaller" }, "−"), shown,
    el("button", { onclick: () => viewer.zoomBy(1.25), "aria-label": "Larger" }, "+"),
    el("button", { onclick: () => view.fit() }, "Fit"));
}
