// Small helpers: elements, requests, and numbers as text. Text from files is only ever set as text.

export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "width%") made.style.width = `${Math.max(0, Math.min(100, value))}%`;
    else if (name === "color") made.style.background = value;
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function url(path, words = {}) {
  const found = Object.entries(words).filter(([, value]) => value !== undefined && value !== null);
  return path + (found.length ? "?" + new URLSearchParams(found) : "");
}

async function answer(response) {
  if (!response.ok) throw new Error((await response.text()).trim() || `the server answered ${response.status}`);
  return response.json();
}

export const get = async (path, words) => answer(await fetch(url(path, words)));

export const post = async (path, body) =>
  answer(await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }));

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return "";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 3600) return `${Math.round(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

export function number(value, digits = 4) {
  if (typeof value !== "number") return "";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
}

export const bytes = (value) => (value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${Math.round(value / 1e6)} MB`);

export function value(thing) {
  if (thing === null || thing === undefined) return "–";
  if (Array.isArray(thing)) return thing.length ? thing.map(value).join(", ") : "–";
  if (typeof thing === "boolean") return thing ? "yes" : "no";
  if (typeof thing === "object") return JSON.stringify(thing);
  if (typeof thing === "number") return number(thing, 5);
  return String(thing).replace(/^\/.*\/([^/]+)$/, "$1");
}

let timer = 0;
export function toast(text, action) {
  const box = document.getElementById("toast");
  box.replaceChildren(el("span", {}, text));
  if (action) box.append(el("button", { onclick: () => { box.hidden = true; action.run(); } }, action.label));
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (box.hidden = true), action ? 12000 : 5000);
}

export async function attempt(promise, done) {
  try {
    const found = await promise;
    if (done) toast(done);
    return found;
  } catch (error) {
    toast(error.message);
    return null;
  }
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", {}, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied.");
}

export const runAddress = (name) => `#run/${encodeURIComponent(name)}`;

export const STATUS = {
  running: "running", starting: "starting", finished: "finished", interrupted: "stopped", failed: "failed",
  killed: "ended without a word",
};

export function status(run) {
  return el("span", { class: `status ${run.status}` }, STATUS[run.status] || run.status);
}
