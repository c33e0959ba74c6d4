"""Shaders that show a plane of tiles, and a page that pans over it without a server or a library."""

from __future__ import annotations

import base64
import math

from subjective.planes.corners import TileSet, places_in_sheet

GLSL_FILE, WGSL_FILE = "plane.glsl", "plane.wgsl"
"""Names of the files of the shaders."""

_GLSL = """\
// A plane of tiles that never repeats, as `subjective lay` lays it. For GLSL ES 3.00, and GLSL 3.30 and later.
//
// The sheet of all tiles (sheet.png) wraps: set its wrap mode to REPEAT. The neighbors of each tile in the sheet are
// equal to those on the plane for @SHARED@ pixels, so linear filtering, and mipmaps up to level @LEVELS@, need no
// border. Set the texture's highest level (TEXTURE_MAX_LEVEL) to @LEVELS@.

const uint COLORS = @COLORS@u;
const int ACROSS = @ACROSS@;  // tiles in a row of the sheet
const int PLACES[@COUNT@] = int[@COUNT@](@PLACES@);  // place of each tile in the sheet

uint mix_bits(uint bits) {
    bits = (bits ^ (bits >> 16)) * 0x7FEB352Du;
    bits = (bits ^ (bits >> 15)) * 0x846CA68Bu;
    return bits ^ (bits >> 16);
}

int corner_color(ivec2 corner, uint seed) {
    return int(mix_bits(mix_bits(mix_bits(seed) ^ uint(corner.x)) ^ uint(corner.y)) % COLORS);
}

// `tile` is the column and row of a tile of the plane, and `within` a place from its upper left corner, in tiles. The
// sum of both is the place; they come apart, because floats are too coarse far away. `across` and `down` are the
// derivatives of the place along the screen's axes.
vec4 plane_color(sampler2D sheet, uint seed, ivec2 tile, vec2 within, vec2 across, vec2 down) {
    ivec2 further = ivec2(floor(within));
    ivec2 here = tile + further;
    int upper = corner_color(here, seed) * int(COLORS) + corner_color(here + ivec2(1, 0), seed);
    int lower = corner_color(here + ivec2(0, 1), seed) * int(COLORS) + corner_color(here + ivec2(1, 1), seed);
    int place = PLACES[upper * int(COLORS * COLORS) + lower];
    vec2 corner = vec2(place % ACROSS, place / ACROSS);
    float share = 1.0 / float(ACROSS);
    return textureGrad(sheet, (corner + within - vec2(further)) * share, across * share, down * share);
}
"""

_WGSL = """\
// A plane of tiles that never repeats, as `subjective lay` lays it. The entry points `vertex` and `fragment` fill the
// screen with it.
//
// The sheet of all tiles (sheet.png) wraps: its sampler repeats. The neighbors of each tile in the sheet are equal to
// those on the plane for @SHARED@ pixels, so linear filtering, and mipmaps up to level @LEVELS@, need no border.

const COLORS = @COLORS@u;
const ACROSS = @ACROSS@;  // tiles in a row of the sheet
const PLACES = array<i32, @COUNT@>(@PLACES@);  // place of each tile in the sheet

struct View {
    tile: vec2<i32>,     // column and row of the tile at the screen's upper left corner
    within: vec2<f32>,   // where the screen's corner is in this tile, in tiles
    per_pixel: f32,      // tiles for each pixel of the screen
    seed: u32,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var sheet: texture_2d<f32>;
@group(0) @binding(2) var repeating: sampler;

fn mix_bits(given: u32) -> u32 {
    var bits = (given ^ (given >> 16u)) * 0x7FEB352Du;
    bits = (bits ^ (bits >> 15u)) * 0x846CA68Bu;
    return bits ^ (bits >> 16u);
}

fn corner_color(corner: vec2<i32>, seed: u32) -> i32 {
    return i32(mix_bits(mix_bits(mix_bits(seed) ^ bitcast<u32>(corner.x)) ^ bitcast<u32>(corner.y)) % COLORS);
}

// `tile` is the column and row of a tile of the plane, and `within` a place from its upper left corner, in tiles. The
// sum of both is the place; they come apart, because floats are too coarse far away. `across` and `down` are the
// derivatives of the place along the screen's axes.
fn plane_color(seed: u32, tile: vec2<i32>, within: vec2<f32>, across: vec2<f32>, down: vec2<f32>) -> vec4<f32> {
    let further = floor(within);
    let here = tile + vec2<i32>(further);
    let colors = i32(COLORS);
    let upper = corner_color(here, seed) * colors + corner_color(here + vec2<i32>(1, 0), seed);
    let lower = corner_color(here + vec2<i32>(0, 1), seed) * colors + corner_color(here + vec2<i32>(1, 1), seed);
    var places = PLACES;
    let place = places[upper * colors * colors + lower];
    let corner = vec2<f32>(f32(place % ACROSS), f32(place / ACROSS));
    let share = 1.0 / f32(ACROSS);
    return textureSampleGrad(sheet, repeating, (corner + within - further) * share, across * share, down * share);
}

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let within = view.within + position.xy * view.per_pixel;
    return plane_color(view.seed, view.tile, within, vec2<f32>(view.per_pixel, 0.0), vec2<f32>(0.0, view.per_pixel));
}
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A plane of tiles</title>
<style>
  html, body { margin: 0; height: 100%; overflow: hidden; background: #222; }
  canvas { width: 100%; height: 100%; display: block; cursor: grab; touch-action: none; }
  form { position: fixed; left: 0; bottom: 0; padding: 6px 10px; font: 13px sans-serif; color: #fff;
    background: rgba(0, 0, 0, .6); }
  input { width: 8em; }
</style>
<canvas></canvas>
<form>
  seed <input name="seed" type="number" min="0" max="4294967295" value="@SEED@">
  <label><input name="drifts" type="checkbox" style="width:auto"> drift</label>
  <label><input name="grid" type="checkbox" style="width:auto"> grid</label>
  <span id="place"></span>
</form>
<script>
"use strict";
const SIDE = @SIDE@, LEVELS = @LEVELS@;
const GLSL = @GLSL@;
const SHEET = "data:image/png;base64,@SHEET@";
const VERTEX = `#version 300 es
void main() {
    gl_Position = vec4(float(gl_VertexID & 1) * 4.0 - 1.0, float(gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
` + GLSL + `
uniform sampler2D sheet;
uniform uint seed;
uniform ivec2 tile;
uniform vec2 corner;
uniform float height, per_pixel;
uniform bool grid;
out vec4 color;
void main() {
    vec2 within = corner + vec2(gl_FragCoord.x, height - gl_FragCoord.y) * per_pixel;
    color = plane_color(sheet, seed, tile, within, vec2(per_pixel, 0.0), vec2(0.0, per_pixel));
    if (grid && min(fract(within.x), fract(within.y)) < per_pixel) color = vec4(1.0, 0.3, 0.2, 1.0);
    color.a = 1.0;
}`;
const canvas = document.querySelector("canvas"), form = document.querySelector("form");
const gl = canvas.getContext("webgl2");
// The view: the place of the screen's upper left corner, in pixels of the plane, and screen pixels for one of them.
let x = 0, y = 0, zoom = 1, uniforms = {}, before = 0;
window.look = (left, top, scale) => { x = left; y = top; zoom = scale ?? zoom; draw(); };

function compile(kind, text) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    return shader;
}

function begin(picture) {
    const program = gl.createProgram();
    gl.attachShader(program, compile(gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, compile(gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    for (const name of ["seed", "tile", "corner", "height", "per_pixel", "grid"])
        uniforms[name] = gl.getUniformLocation(program, name);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAX_LEVEL, LEVELS);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.generateMipmap(gl.TEXTURE_2D);
    draw();
    document.body.dataset.ready = "yes";
}

function draw() {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    gl.viewport(0, 0, canvas.width, canvas.height);
    const column = Math.floor(x / SIDE), row = Math.floor(y / SIDE);
    gl.uniform1ui(uniforms.seed, Number(form.seed.value) >>> 0);
    gl.uniform2i(uniforms.tile, column, row);
    gl.uniform2f(uniforms.corner, x / SIDE - column, y / SIDE - row);
    gl.uniform1f(uniforms.height, canvas.height);
    gl.uniform1f(uniforms.per_pixel, 1 / (zoom * ratio * SIDE));
    gl.uniform1i(uniforms.grid, form.grid.checked);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    document.querySelector("#place").textContent = `x ${Math.round(x)}, y ${Math.round(y)}, ${zoom.toFixed(2)} x`;
}

function drift(now) {
    if (!form.drifts.checked) return;
    const seconds = Math.min((now - before) / 1000, 0.1);
    before = now;
    x += 60 * seconds / zoom;
    y += 25 * seconds / zoom;
    draw();
    requestAnimationFrame(drift);
}

canvas.addEventListener("pointerdown", event => canvas.setPointerCapture(event.pointerId));
canvas.addEventListener("pointermove", event => {
    if (event.buttons) look(x - event.movementX / zoom, y - event.movementY / zoom);
});
canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const next = Math.min(Math.max(zoom * Math.exp(-event.deltaY / 500), 1 / 8), 16);
    look(x + event.offsetX / zoom - event.offsetX / next, y + event.offsetY / zoom - event.offsetY / next, next);
}, { passive: false });
window.addEventListener("keydown", event => {
    const step = { ArrowLeft: [-64, 0], ArrowRight: [64, 0], ArrowUp: [0, -64], ArrowDown: [0, 64] }[event.key];
    if (step && event.target.tagName !== "INPUT") look(x + step[0] / zoom, y + step[1] / zoom);
});
window.addEventListener("resize", draw);
form.addEventListener("input", draw);
form.drifts.addEventListener("change", () => { before = performance.now(); requestAnimationFrame(drift); });
form.addEventListener("submit", event => event.preventDefault());
if (gl) {
    const picture = new Image();
    picture.onload = () => begin(picture);
    picture.src = SHEET;
} else {
    form.textContent = "This page needs a browser with WebGL 2.";
}
</script>
</html>
"""


def make_shaders(found: TileSet) -> dict[str, str]:
    """Return the text of each shader, by the name of its file; `subjective.planes.corners` computes the same."""
    return {GLSL_FILE: _fill(_GLSL, found), WGSL_FILE: _fill(_WGSL, found)}


def make_page(found: TileSet, sheet: bytes, seed: int = 0) -> str:
    """Return a page that shows a plane of tiles, as one file that needs no other.

    Args:
        found: the tiles.
        sheet: the sheet as the bytes of a PNG.
        seed: the plane that is shown first.
    """
    page = (
        _fill(_PAGE, found).replace("@SEED@", str(seed)).replace("@GLSL@", f"`{_fill(_GLSL, found).replace('`', '')}`")
    )
    return page.replace("@SHEET@", base64.b64encode(sheet).decode("ascii"))


def _fill(text: str, found: TileSet) -> str:
    """Put the numbers of a set of tiles in their places."""
    places = places_in_sheet(found.colors)
    numbers = {
        "COLORS": found.colors,
        "ACROSS": found.colors**2,
        "COUNT": len(places),
        "PLACES": ", ".join(map(str, places)),
        "SHARED": found.shared,
        "SIDE": found.side,
        "LEVELS": math.floor(math.log2(found.shared)),
    }
    for name, number in numbers.items():
        text = text.replace(f"@{name}@", str(number))
    return text
