// A material under a light that follows the pointer, drawn on a plain canvas.
import { el } from "./util.js";

const SIDE = 512;  // longest side of what is shaded, so that it follows the pointer
const AMBIENT = 0.12;
const HIGH = 0.45;  // how high the light is above the surface, in widths of the picture
const LINEAR = Float32Array.from({ length: 256 }, (_, level) => (level <= 10 ? level / 3294.6 : ((level / 255 + 0.055) / 1.055) ** 2.4));
const SCREEN = Uint8ClampedArray.from({ length: 4097 }, (_, place) => {
  const light = place / 4096;
  return 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
});

export const canBeLit = (maps) => Boolean(maps && maps.albedo && (maps.normal || maps.height));

export class LitView {
  // `maps` has the address of each map, and where y of the normals points.
  constructor(maps, convention) {
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": "The material under a light. The arrow keys move the light." });
    this.caption = el("span", { class: "caption" }, "under a light that follows the pointer");
    this.hint = el("span", { class: "hint" }, "Reading the maps …");
    this.box = el("div", { class: "view lit" }, this.canvas, this.caption, this.hint);
    this.up = convention === "directx" ? -1 : 1;
    this.x = 0.3;  // where the light is: shares of the picture's width and height
    this.y = 0.3;
    this.canvas.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      this.move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    });
    this.canvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] }[event.key];
      if (!by) return;
      event.preventDefault();
      this.move(this.x + by[0], this.y + by[1]);
    });
    this.ready = this.read(maps);
  }
  move(x, y) {
    this.x = Math.max(-0.5, Math.min(1.5, x));
    this.y = Math.max(-0.5, Math.min(1.5, y));
    if (this.scheduled || !this.albedo) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.paint(); });
  }
  async read(maps) {
    const load = (address) => new Promise((resolve) => {
      if (!address) return resolve(null);
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => resolve(null);
      image.src = address;
    });
    const names = ["albedo", "normal", "height", "roughness", "gloss", "metallic", "ao"];
    const images = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await load(maps[name])])));
    if (!images.albedo || !(images.normal || images.height)) { this.hint.textContent = "The maps cannot be read."; return; }
    const share = Math.min(1, SIDE / Math.max(images.albedo.naturalWidth, images.albedo.naturalHeight));
    this.width = this.canvas.width = Math.max(1, Math.round(images.albedo.naturalWidth * share));
    this.height = this.canvas.height = Math.max(1, Math.round(images.albedo.naturalHeight * share));
    const pixels = (image) => {
      const canvas = el("canvas", {});
      Object.assign(canvas, { width: this.width, height: this.height });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0, this.width, this.height);
      return context.getImageData(0, 0, this.width, this.height).data;
    };
    const gray = (image, usual, turn = (value) => value) => {
      const found = new Float32Array(this.width * this.height).fill(usual);
      if (image) { const data = pixels(image); for (let place = 0; place < found.length; place++) found[place] = turn(data[4 * place] / 255); }
      return found;
    };
    this.roughness = images.roughness || !images.gloss ? gray(images.roughness, 0.6) : gray(images.gloss, 0.6, (value) => 1 - value);
    this.metallic = gray(images.metallic, 0);
    this.ao = gray(images.ao, 1);
    this.normal = images.normal ? this.unpack(pixels(images.normal)) : this.slopes(gray(images.height, 0));
    this.albedo = pixels(images.albedo);
    this.hint.hidden = true;
    this.paint();
  }
  // Unit vectors with y up.
  unpack(data) {
    const found = new Float32Array(3 * this.width * this.height);
    for (let place = 0; place < found.length / 3; place++) {
      const x = data[4 * place] / 127.5 - 1, y = (data[4 * place + 1] / 127.5 - 1) * this.up;
      found.set([x, y, Math.sqrt(Math.max(1 - x * x - y * y, 1e-4))], 3 * place);
    }
    return found;
  }
  slopes(height) {
    const { width, height: rows } = this, found = new Float32Array(3 * width * rows), steep = width / 16;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < width; column++) {
        const at = (down, right) => height[((row + down + rows) % rows) * width + ((column + right + width) % width)];
        const x = (at(0, -1) - at(0, 1)) * steep, y = (at(1, 0) - at(-1, 0)) * steep, length = Math.hypot(x, y, 1);
        found.set([x / length, y / length, 1 / length], 3 * (row * width + column));
      }
    }
    return found;
  }
  // Lambert's law and Blinn's highlight, as wide as the surface is rough; a metal has only the highlight, in its color.
  paint() {
    const { width, height, albedo, normal, roughness, metallic, ao } = this;
    const context = this.canvas.getContext("2d"), drawn = context.createImageData(width, height), data = drawn.data;
    const far = HIGH * width, lightX = this.x * width, lightY = this.y * height;
    for (let row = 0, place = 0; row < height; row++) {
      for (let column = 0; column < width; column++, place++) {
        let x = lightX - column, y = row - lightY, z = far;
        const squared = x * x + y * y + z * z, distance = Math.sqrt(squared);
        x /= distance; y /= distance; z /= distance;
        const a = normal[3 * place], b = normal[3 * place + 1], c = normal[3 * place + 2];
        const fall = (1.6 * far * far) / squared;
        const facing = Math.max(a * x + b * y + c * z, 0) * fall;
        const half = Math.sqrt(2 + 2 * z) || 1, shine = Math.max((a * x + b * y + c * (z + 1)) / half, 0);
        const rough = Math.max(roughness[place], 0.08), power = 2 / rough ** 4, metal = metallic[place];
        const spot = facing * ((power + 8) / 25) * Math.pow(shine, power), open = AMBIENT * ao[place];
        for (let channel = 0; channel < 3; channel++) {
          const color = LINEAR[albedo[4 * place + channel]], mirror = 0.04 * (1 - metal) + color * metal;
          const light = color * (open + facing * (1 - metal)) + mirror * spot;
          data[4 * place + channel] = SCREEN[Math.min(4096, (light * 4096) | 0)];
        }
        data[4 * place + 3] = 255;
      }
    }
    context.putImageData(drawn, 0, 0);
  }
}
