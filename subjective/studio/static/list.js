// All runs: a grid of pictures, to filter, sort, choose and compare.
import { attempt, duration, el, number, post, runAddress, status, toast, url, value } from "./util.js";
import { listen, state } from "./store.js";

const kept = { filter: "", sort: "newest", turned: false, chosen: new Set() };  // survives a look at one run

const FACTS = {
  newest: (run) => run.started || "", name: (run) => run.name, loss: (run) => run.loss, seconds: (run) => run.seconds,
  steps: (run) => run.steps,
};

// The value of a word such as loss, score.gram or output_width.
function fact(run, name) {
  if (FACTS[name]) return FACTS[name](run);
  if (name.startsWith("score.")) return run.scores[name.slice(6)];
  if (name === "status") return run.status;
  if (name === "command") return run.command;
  if (name === "tag") return (state.tags[run.name] || []).join(" ");
  return run.settings[name];
}

// Each word of the filter must hold: a word in the name, or name=value, name<number, name>number.
export function matches(run, filter) {
  return filter.toLowerCase().split(/\s+/).filter(Boolean).every((word) => {
    const [, name, sign, wanted] = word.match(/^([\w.-]+)(<=|>=|=|<|>)(.*)$/) || [];
    if (!name) {
      const text = [run.name, run.command, run.status, run.sentence, ...(state.tags[run.name] || [])].join(" ");
      return text.toLowerCase().includes(word);
    }
    const found = fact(run, name.replaceAll("-", "_"));
    if (found === undefined || found === null) return false;
    if (sign === "=") return value(found).toLowerCase().includes(wanted);
    const [left, right] = [Number(found), Number(wanted)];
    return { "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right }[sign];
  });
}

// The settings that tell most, in this order; then all others.
const FIRST = ["source", "content", "output_width", "preset", "like", "join_mode", "statistic", "max_iter", "rng_seed"];

export function differing(runs) {
  const values = new Map();
  for (const run of runs) {
    for (const [name, found] of Object.entries(run.settings)) {
      if (["output_dir", "output_prefix", "tile", "out"].includes(name)) continue;
      if (!values.has(name)) values.set(name, new Set());
      values.get(name).add(JSON.stringify(found));
    }
  }
  const rank = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...values].filter(([, found]) => found.size > 1).map(([name]) => name).sort((one, other) => rank(one) - rank(other));
}

function sorted(runs) {
  const by = kept.sort, down = (by === "newest") !== kept.turned, on = (run) => by === "newest" && down && ["running", "starting"].includes(run.status);
  return runs.sort((one, other) => {
    if (on(one) !== on(other)) return on(other) - on(one);
    const [left, right] = [fact(one, by), fact(other, by)];
    const [none, alsoNone] = [left === undefined || left === null, right === undefined || right === null];
    if (none || alsoNone) return none - alsoNone;
    const order = typeof left === "number" && typeof right === "number" ? left - right : value(left).localeCompare(value(right), undefined, { numeric: true });
    return (down ? -order : order) || one.name.localeCompare(other.name);
  });
}

export function listPage(main) {
  document.title = "Runs – subjective";
  const filter = el("input", {
    class: "grow", type: "search", placeholder: "Filter: words, tag=best, loss<0.1, output_width=512, status=finished", "aria-label": "Filter", value: kept.filter,
    oninput: () => { kept.filter = filter.value; show(); },
  });
  const sort = el("select", { onchange: () => { kept.sort = sort.value; show(); } });
  const turn = el("button", { "aria-pressed": String(kept.turned), title: "the other way round", "aria-label": "Sort the other way round", onclick: () => {
    kept.turned = !kept.turned;
    turn.setAttribute("aria-pressed", String(kept.turned));
    show();
  } }, "⇅");
  const count = el("span", { class: "muted number", role: "status" });
  const button = el("button", { class: "main", onclick: () => { location.hash = `compare/${[...kept.chosen].map(encodeURIComponent).join("/")}`; } });
  const cards = el("ul", { class: "cards", "aria-label": "Runs" });
  const empty = el("div", { class: "empty" });
  main.replaceChildren(
    el("h1", { class: "skip" }, "Runs"),
    el("div", { class: "bar" }, filter, el("label", {}, "Sort by", sort), turn, count, button), cards, empty);
  const made = new Map();

  function offer(runs) {
    const scores = new Map();
    for (const run of runs) for (const key of Object.keys(run.scores)) scores.set(`score.${key}`, `score: ${key}`);
    const names = [["newest", "newest"], ["name", "name"], ["loss", "loss"], ["seconds", "time taken"], ["steps", "steps"], ...scores, ...differing(runs).map((name) => [name, name])];
    const wanted = JSON.stringify(names);
    if (sort.dataset.names === wanted) return;
    sort.dataset.names = wanted;
    sort.replaceChildren(...names.map(([name, text]) => el("option", { value: name, selected: name === kept.sort }, text)));
  }

  function show() {
    const every = Object.values(state.runs);
    offer(every);
    for (const name of kept.chosen) if (!state.runs[name]) kept.chosen.delete(name);
    const runs = sorted(every.filter((run) => matches(run, kept.filter)));
    const differ = differing(runs);
    const wanted = new Set(runs.map((run) => run.name));
    for (const [name, card] of made) if (!wanted.has(name)) { card.box.remove(); made.delete(name); }
    runs.forEach((run, place) => {
      if (!made.has(run.name)) made.set(run.name, new Card(run.name, show));
      const card = made.get(run.name);
      card.show(run, differ);
      if (cards.children[place] !== card.box) cards.insertBefore(card.box, cards.children[place] || null);
    });
    count.textContent = runs.length === every.length ? `${every.length} runs` : `${runs.length} of ${every.length} runs`;
    button.disabled = kept.chosen.size < 2;
    button.textContent = kept.chosen.size ? `Compare ${kept.chosen.size}` : "Compare";
    empty.hidden = runs.length > 0 || !state.loaded;
    if (!every.length) empty.replaceChildren(el("h2", {}, "No runs here yet"), el("span", {}, "A run appears as soon as it begins."), el("code", {}, "subjective synthesize -s gravel.jpg --watch"));
    else empty.replaceChildren(el("span", {}, "No run fits the filter."));
  }
  show();
  return listen((message) => { if (message.runs || message.tags) show(); });
}

class Card {
  constructor(name, changed) {
    this.name = name;
    this.key = "";
    const choose = el("input", {
      type: "checkbox", class: "choose", "aria-label": `Choose ${name}`, checked: kept.chosen.has(name),
      onchange: () => { if (choose.checked) kept.chosen.add(name); else kept.chosen.delete(name); this.box.classList.toggle("chosen", choose.checked); changed(); },
    });
    this.shot = el("a", { class: "shot", href: runAddress(name), tabindex: "-1", "aria-hidden": "true" });
    this.text = el("div", { class: "text" });
    this.box = el("li", { class: `card${choose.checked ? " chosen" : ""}` }, this.shot, choose, this.text);
  }
  show(run, differ) {
    const tags = state.tags[run.name] || [];
    const key = JSON.stringify([run, tags, differ]);
    if (key === this.key) return;
    this.key = key;
    this.showPicture(run);
    const live = run.live || {};
    const said = run.reason || run.sentence || run.message || live.phase || "";
    const facts = run.status === "running" ? [duration(live.seconds_left) && `${duration(live.seconds_left)} left`, live.loss] : [duration(run.seconds), run.loss];
    const chips = differ.filter((name) => name in run.settings).slice(0, 4).map((name) => el("span", { class: "chip", title: `${name}: ${value(run.settings[name])}` }, name === "source" ? value(run.settings[name]) : `${name} ${value(run.settings[name])}`));
    this.text.replaceChildren(...[
      el("a", { class: "name", href: runAddress(run.name), title: run.name }, run.name),
      el("div", { class: "line" }, status(run), el("span", { class: "number" }, run.command)),
      run.status === "running" && live.share !== undefined ? el("div", { class: "meter" }, el("i", { "width%": 100 * live.share })) : null,
      el("div", { class: "said" }, said),
      el("div", { class: "line number" }, el("span", {}, facts[0] || ""), el("span", {}, facts[1] === undefined || facts[1] === null ? "" : `loss ${number(facts[1], 3)}`)),
      el("div", { class: "chips" }, tags.map((tag) => el("span", { class: "chip tag" }, tag)), chips)].filter(Boolean));
  }
  showPicture(run) {
    const address = run.thumbnail ? url("thumbnail", { run: run.name, name: run.thumbnail.name, v: run.thumbnail.version }) : null;
    if (address === this.address || this.loading) return;
    this.address = address;
    if (!address) { this.shot.replaceChildren(el("span", {}, "no picture yet")); return; }
    if (!this.image) {
      this.image = el("img", { alt: "", loading: "lazy", decoding: "async" });
      this.image.onerror = () => { this.image = null; this.shot.replaceChildren(el("span", {}, "no picture")); };
    }
    this.image.src = address;
    if (this.shot.firstChild !== this.image) this.shot.replaceChildren(this.image);
  }
}

export async function deleteRun(name) {
  const found = await attempt(post("api/delete", { run: name }));
  if (!found) return;
  await new Promise((resolve) => {  // until the list knows, it would ask for a picture that is no longer there
    const stop = listen((message) => { if ((message.gone || []).includes(name)) { stop(); resolve(); } });
    setTimeout(() => { stop(); resolve(); }, 4000);
  });
  location.hash = "runs";
  toast(`${name} is in the trash.`, { label: "Undo", run: () => attempt(post("api/restore", { kept: found.kept }), `${name} is back.`) });
}
