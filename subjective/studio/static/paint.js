// Paint a mask over a picture with the mouse, a finger or the keyboard: white is marked.
import { el } from "./util.js";

const LARGEST = 4096;  // of a mask's side: what a browser's canvas can surely hold

// Show the picture in a dialog. Return the mask as a PNG of the size (height, width); null if nothing is kept.
export function paintMask(title, address, [height, width]) {
  return new Promise((resolve) => {
    if (Math.max(height, width) > LARGEST) throw new Error(`the picture has more than ${LARGEST} pixels a side; make its mask in another program`);
    new Painter(title, address, height, width, resolve);
  });
}

class Painter {
  constructor(title, address, height, width, resolve) {
    Object.assign(this, { height, width, strokes: [], erase: false, at: [width / 2, height / 2] });
    this.mask = Object.assign(document.createElement("canvas"), { width, height });
    this.tint = Object.assign(document.createElement("canvas"), { width, height });
    this.canvas = el("canvas", { class: "painter", tabindex: "0", role: "img", "aria-label": `${title}. Arrow keys move the brush, space marks, E erases.` });
    Object.assign(this.canvas, { width, height });
    const radius = Math.max(2, Math.round(Math.min(height, width) / 16));
    this.size = el("input", { type: "range", min: "1", max: String(Math.max(8, Math.round(Math.min(height, width) / 3))), value: String(radius), oninput: () => this.paint() });
    this.eraser = el("button", { "aria-pressed": "false", onclick: () => this.turn() }, "Erase");
    this.keep = el("button", { class: "main", disabled: true, onclick: () => this.done(resolve) }, "Use this mask");
    const close = () => { this.dialog.close(); };
    this.dialog = el("dialog", { class: "painting", "aria-label": title }, el("div", { class: "bar" }, el("h2", {}, title),
      el("label", {}, "Brush", this.size), this.eraser,
      el("button", { onclick: () => { this.strokes.pop(); this.redraw(); } }, "Undo"),
      el("button", { onclick: () => { this.strokes = []; this.redraw(); } }, "Clear"),
      el("span", { class: "grow" }), el("button", { onclick: close }, "Cancel"), this.keep),
      el("div", { class: "paper" }, this.canvas), el("div", { class: "muted" }, "Mark what is meant. On the keyboard: arrows move the brush, space marks, E erases."));
    this.dialog.addEventListener("close", () => { this.dialog.remove(); resolve(null); });
    document.body.append(this.dialog);
    this.image = address ? new Image() : null;
    if (this.image) { this.image.onload = () => this.paint(); this.image.src = address; }
    this.listen();
    this.dialog.showModal();
    this.canvas.focus();
    this.paint();
  }
  get radius() {
    return Number(this.size.value);
  }
  turn() {
    this.erase = !this.erase;
    this.eraser.setAttribute("aria-pressed", String(this.erase));
  }
  listen() {
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * this.width, ((event.clientY - box.top) / box.height) * this.height];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.begin(place(event), this.erase !== (event.button === 2));
      this.drawing = true;
    });
    this.canvas.addEventListener("pointermove", (event) => {
      this.at = place(event);
      if (this.drawing) this.go(this.at);
      else this.paint();
    });
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => (this.drawing = false));
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.canvas.addEventListener("keydown", (event) => {
      const far = this.radius / 2, by = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
      if (by) {
        this.at = [Math.max(0, Math.min(this.width, this.at[0] + by[0])), Math.max(0, Math.min(this.height, this.at[1] + by[1]))];
        this.paint();
      } else if (event.key === " ") this.begin(this.at, this.erase);
      else if (event.key === "e" || event.key === "E") this.turn();
      else return;
      event.preventDefault();
    });
  }
  begin(at, erase) {
    this.strokes.push({ points: [at], radius: this.radius, erase });
    this.stroke(this.strokes.at(-1), 0);
    this.paint();
  }
  go(at) {
    const last = this.strokes.at(-1);
    last.points.push(at);
    this.stroke(last, last.points.length - 2);
    this.paint();
  }
  // Draw a stroke from one of its points on.
  stroke({ points, radius, erase }, from) {
    const context = this.mask.getContext("2d");
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    Object.assign(context, { strokeStyle: "#fff", fillStyle: "#fff", lineWidth: 2 * radius, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...points[from]);
    for (const point of points.slice(from)) context.lineTo(...point);
    context.stroke();
  }
  redraw() {
    this.mask.getContext("2d").clearRect(0, 0, this.width, this.height);
    for (const stroke of this.strokes) this.stroke(stroke, 0);
    this.paint();
  }
  paint() {
    this.keep.disabled = !this.strokes.some((stroke) => !stroke.erase);
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      const context = this.canvas.getContext("2d"), { width, height } = this;
      context.globalAlpha = 1;
      context.fillStyle = "#777";
      context.fillRect(0, 0, width, height);
      if (this.image && this.image.complete && this.image.naturalWidth) context.drawImage(this.image, 0, 0, width, height);
      const tint = this.tint.getContext("2d");  // a color that few pictures have
      tint.globalCompositeOperation = "copy";
      tint.drawImage(this.mask, 0, 0);
      tint.globalCompositeOperation = "source-in";
      tint.fillStyle = "#ff2fb0";
      tint.fillRect(0, 0, width, height);
      context.globalAlpha = 0.6;
      context.drawImage(this.tint, 0, 0);
      context.globalAlpha = 1;
      for (const [color, wide] of [["#000", 3], ["#fff", 1]]) {
        Object.assign(context, { strokeStyle: color, lineWidth: (wide * width) / Math.max(this.canvas.clientWidth, 1) });
        context.beginPath();
        context.arc(this.at[0], this.at[1], this.radius, 0, 2 * Math.PI);
        context.stroke();
      }
    });
  }
  done(resolve) {
    const made = Object.assign(document.createElement("canvas"), { width: this.width, height: this.height }), context = made.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.width, this.height);
    context.drawImage(this.mask, 0, 0);
    made.toBlob((blob) => { resolve(blob); this.dialog.close(); }, "image/png");
  }
}
