// One run: its picture as it is made, beside its source, with curves, scores, settings and commands.
import { attempt, bytes, copy, duration, el, get, number, post, runAddress, status, STATUS, url, value } from "./util.js";
import { listen, state } from "./store.js";
import { isLarge, View, Viewer, zoomTools } from "./viewer.js";
import { Chart, GROUPS } from "./chart.js";
import { deleteRun } from "./list.js";
import { Weights } from "./weights.js";
import { canBeLit, LitView } from "./light.js";

// The pictures of one number in the order in which they were made; the newest comes last.
export function stepsOf(run, which) {
  const made = run.pictures.filter((picture) => picture.number === which && ["step", "result"].includes(picture.kind));
  const found = made.map((picture) => ({ ...picture, label: picture.kind === "result" ? "result" : `step ${picture.step}` }));
  const albedo = ((run.maps || [])[which] || { files: {} }).files.albedo, file = albedo && run.pictures.find((picture) => picture.name === albedo.name);
  if (file) found.push({ ...file, kind: "result", label: "albedo" });
  const live = run.thumbnail && run.thumbnail.name === ".preview.jpg";
  if (live) found.push({ name: ".preview.jpg", version: run.thumbnail.version, label: run.status === "running" ? "now" : "last before the end", live: true, size: sizeNow(run) });
  return found;
}

// The size at full size of what a preview shows: several pictures that are made together have rows.
function sizeNow(run) {
  const live = run.live || {};
  const [height, width] = fullSize(run) || [];
  if (!height || live.pictures === undefined || (run.settings.count > 1 && run.command === "animate")) return null;
  return [height, width];
}

export function fullSize(run) {
  const stages = run.live && run.live.stages;
  if (stages && stages.length) return stages.at(-1).slice(0, 2);
  const made = run.pictures.filter((picture) => picture.size && picture.kind !== "other");
  return made.length ? made.reduce((best, one) => (one.size[0] >= best[0] ? one.size : best), [0, 0]) : null;
}

// What a viewer needs to draw a picture of a run at the size of its result.
export function drawable(run, picture) {
  if (!picture) return null;
  const size = picture.size || null, full = fullSize(run);
  const shown = ["step", "result"].includes(picture.kind) || picture.live ? (picture.live ? picture.size : full) : size;
  const words = { run: run.name, name: picture.name, v: picture.version };
  if (isLarge(size) && !picture.live) {
    return { address: url("thumbnail", { ...words, side: 2048 }), size: shown, full: (left, top, width, height) => url("part", { ...words, left, top, width, height }) };
  }
  return { address: url("file", words), size: shown };
}

export function runPage(main, name) {
  document.title = `${name} – subjective`;
  let run = null, closed = false, which = 0, place = null, loading = false, again = false, drawn = { key: "", step: 0 };
  const view = new View(), left = new Viewer(view, "The picture of the run"), right = new Viewer(view, "The source");
  const chart = new Chart(), weights = new Weights(name);
  let lit = null;
  const head = el("div", { class: "head" }), why = el("div"), side = el("div", { class: "side" });
  const beside = el("select", { onchange: showBeside }), swipe = el("select", { onchange: () => { stopFilm(); showPictures(); } });
  const number_ = el("select", { onchange: () => { which = Number(number_.value); place = null; stopFilm(); showPictures(); showCurves(); } });
  const numberLabel = el("label", { hidden: true }, "Picture", number_);
  const tiles = [1, 2].map((count) => el("button", { "aria-pressed": String(count === 1), onclick: () => {
    left.tiles = right.tiles = count;
    stopFilm();
    tiles.forEach((button, index) => button.setAttribute("aria-pressed", String(index + 1 === count)));
    view.fit();
  } }, count === 1 ? "1 × 1" : "2 × 2"));
  const slider = el("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "Step", oninput: () => {
    place = Number(slider.value) === Number(slider.max) ? null : Number(slider.value);
    stopFilm();
    showPictures();
  } });
  const shown = el("output", { class: "number" });
  const play = el("button", { onclick: playSteps, "aria-label": "Play the steps" }, "▶");
  const film = el("span");
  const views = el("div", { class: "views" }, left.box, right.box);
  const group = el("select", { onchange: showCurves }, Object.entries(GROUPS).map(([key, text]) => el("option", { value: key }, text)));
  const tools = el("div", { class: "tools" }, el("span", { class: "group", role: "group", "aria-label": "Repeat" }, tiles), numberLabel,
    el("label", {}, "Beside", beside), el("label", {}, "Swipe to", swipe), film, zoomTools(view, left));
  const curves = el("section", { class: "curves", "aria-label": "Curves" },
    el("div", { class: "tools" }, el("h2", {}, "Loss"), el("label", { class: "push" }, "parts by", group)), chart.box);
  const pictures = el("section", { class: "pictures", "aria-label": "Pictures" }, tools, views, el("div", { class: "steps" }, play, slider, shown));
  side.append(weights.box);
  main.replaceChildren(head, why, el("div", { class: "run" }, el("div", {}, pictures, curves), side));

  async function load() {
    if (loading) { again = true; return; }
    loading = true;
    try {
      run = await get("api/run", { run: name });
      if (closed) return;
      show();
      // A curve that would become only a few pixels longer is not fetched again.
      const step = (run.status === "running" && run.live && run.live.step) || 0;
      const key = `${run.status} ${which} ${step ? "" : run.changed}`, grown = step - drawn.step;
      if (key !== drawn.key || grown < 0 || grown > drawn.step / 100) { drawn = { key, step }; await showCurves(); }
    } catch (error) {
      why.className = "why";
      why.replaceChildren(run ? `This run can no longer be read: ${error.message}` : error.message);
    } finally {
      loading = false;
      if (again && !closed) { again = false; load(); }
    }
  }

  function show() {
    showHead();
    showChoices();
    showPictures();
    showBeside();
    showSide();
  }

  function showHead() {
    const ask = (request, text) => el("button", { onclick: () => attempt(post("api/control", { run: name, request }), `Asked: ${text.toLowerCase()}. The run does it after its step.`) }, text);
    const on = run.status === "running";
    const actions = on ? [ask("save", "Save this step"), run.live && run.live.can_score ? ask("score", "Score this step") : null, ask("checkpoint", "Checkpoint now"), ask("stop", "Stop and keep")].filter(Boolean)
      : run.status === "starting" ? [] : [
        state.queue && run.commands.resume ? el("button", { class: "main", onclick: () => attempt(post("api/resume", { run: name }), "In the queue.") }, "Resume") : null,
        el("button", { onclick: () => deleteRun(name) }, "Delete")].filter(Boolean);
    const key = JSON.stringify([run.status, Boolean(state.queue), actions.length]);
    if (head.dataset.key !== key) {
      head.dataset.key = key;
      head.replaceChildren(el("h1", {}, name), status(run), el("span", { class: "muted" }, run.command), tagBox(name), el("span", { class: "actions" }, actions));
    }
    const bad = run.reason || (run.status === "killed" ? "The run ended without a word: it was killed, or its machine went down." : "");
    why.className = bad ? "why" : "";
    const copyable = run.commands.resume ? el("div", {}, "To go on: ", el("code", {}, run.commands.resume), " ", el("button", { class: "plain", onclick: () => copy(run.commands.resume) }, "copy")) : null;
    const text = bad + (run.commands.resume || "") + run.traceback;
    if (why.dataset.text !== text) {
      why.dataset.text = text;
      why.replaceChildren(...(bad ? [el("div", {}, bad), copyable, run.traceback ? el("details", {}, el("summary", {}, "traceback"), el("pre", { class: "fault" }, run.traceback)) : null].filter(Boolean) : []));
    }
  }

  function options(select, entries, current) {
    const key = JSON.stringify(entries);
    if (select.dataset.key === key) return;
    select.dataset.key = key;
    const before = select.value || current;
    select.replaceChildren(...entries.map(([name_, text]) => el("option", { value: name_ }, text)));
    select.value = entries.some(([name_]) => name_ === before) ? before : current;
  }

  function showChoices() {
    const numbers = [...new Set(run.pictures.filter((one) => ["step", "result"].includes(one.kind)).map((one) => one.number))].sort((a, b) => a - b);
    numberLabel.hidden = numbers.length < 2;
    options(number_, numbers.map((one) => [String(one), String(one + 1)]), "0");
    const sources = run.sources.map((source, index) => [`source ${index}`, `${source.use} ${source.name}`]);
    const others = run.pictures.filter((one) => one.kind === "other").map((one) => [`file ${one.name}`, one.name.endsWith("-map.png") ? `where it is unlike its source (${one.name})` : one.name]);
    const maps = (run.maps || [])[which] || (run.maps || [])[0], light = canBeLit(maps && maps.files) ? [["lit", "under a light"]] : [];
    const first = light.length ? "lit" : sources.length ? sources[0][0] : others.length ? others[0][0] : "nothing";
    options(beside, [...light, ...sources, ...others, ["nothing", "nothing"]], first);
    const steps = stepsOf(run, which).filter((one) => !one.live).map((one) => [`step ${one.name}`, one.label]);
    const runs = Object.keys(state.runs).filter((other) => other !== name).map((other) => [`run ${other}`, other]);
    options(swipe, [["nothing", "nothing"], ...sources, ...steps, ...runs.slice(0, 60)], "nothing");
    const videos = run.pictures.filter((one) => one.kind === "video");
    const key = JSON.stringify(videos);
    if (film.dataset.key !== key) {
      film.dataset.key = key;
      const best = [".webp", ".gif", ".mp4"].map((suffix) => videos.find((one) => one.name.endsWith(suffix))).find(Boolean);
      stopFilm();
      film.replaceChildren(...(best ? [el("button", { "aria-pressed": "false", onclick: () => stopFilm() || playFilm(best) }, "Play loop")] : []));
      if (best && !matchMedia("(prefers-reduced-motion: reduce)").matches) playFilm(best);
    }
  }

  // A loop plays in place of its frames, until one of them is asked for or looked at closely.
  function playFilm(video) {
    film.firstChild.setAttribute("aria-pressed", "true");
    view.fit();
    const address = url("file", { run: name, name: video.name, v: video.version });
    const made = video.name.endsWith(".mp4") ? el("video", { class: "film", src: address, autoplay: true, loop: true, muted: true }) : el("img", { class: "film", src: address, alt: "The loop" });
    left.box.insertBefore(made, left.caption);
  }
  function stopFilm() {
    const played = left.box.querySelector(".film");
    if (!played) return false;
    played.remove();
    film.firstChild.setAttribute("aria-pressed", "false");
    return true;
  }
  view.addEventListener("change", () => view.zoom === null || stopFilm());

  function showPictures() {
    if (!run) return;
    const steps = stepsOf(run, which);
    slider.max = String(Math.max(steps.length - 1, 0));
    slider.disabled = play.disabled = steps.length < 2;
    const index = place === null ? steps.length - 1 : Math.min(place, steps.length - 1);
    slider.value = String(index);
    let picture = steps[index];
    const curvesOnly = !picture && run.pictures.find((one) => one.name === "curves.png");
    if (curvesOnly) picture = { ...curvesOnly, label: "the network's pictures" };
    left.hint.textContent = picture ? "" : run.status === "starting" ? "The run begins." : "No picture yet.";
    left.layer.show(drawable(run, picture));
    const step = run.live && (run.live.drawn || run.live.step);  // a training draws less often than it says how far it is
    const live = picture && picture.live && step !== undefined && step !== null ? `, step ${step}` : "";
    const size = picture && picture.size ? ` · ${picture.size[1]} × ${picture.size[0]}` : "";
    shown.textContent = picture ? `${picture.label}${live}${picture.live ? "" : size}` : "";
    slider.setAttribute("aria-valuetext", shown.textContent);
    left.caption.textContent = picture ? `${picture.label}${live}` : "";
    left.caption.hidden = !picture;
    showSwipe();
  }

  async function showSwipe() {
    const [kind, wanted] = split(swipe.value);
    left.second.textContent = swipe.selectedOptions.length ? swipe.selectedOptions[0].textContent : "";
    if (kind === "nothing" || !kind) { left.other.show(null); if (left.wipe !== null) left.setWipe(null); return; }
    if (left.wipe === null) left.setWipe(0.5);
    if (kind === "step") left.other.show(drawable(run, stepsOf(run, which).find((one) => one.name === wanted)));
    if (kind === "source") left.other.show({ address: url("source", { run: name, number: wanted }) });
    if (kind === "run" && left.otherRun !== wanted) {
      left.otherRun = wanted;
      const other = await attempt(get("api/run", { run: wanted }));
      if (other) left.other.show(drawable(other, stepsOf(other, 0).at(-1)));
    }
    if (kind !== "run") left.otherRun = null;
  }

  function showBeside() {
    if (!run) return;
    const [kind, wanted] = split(beside.value);
    right.box.hidden = ["nothing", "lit"].includes(kind);
    showLit(kind === "lit");
    right.caption.textContent = beside.selectedOptions.length ? beside.selectedOptions[0].textContent : "";
    if (kind === "source") {
      right.hint.textContent = "This source is no longer as the run has read it, or not on this machine.";
      right.layer.show({ address: url("source", { run: name, number: wanted }) });
    }
    if (kind === "file") right.layer.show(drawable(run, run.pictures.find((one) => one.name === wanted)));
  }

  function showLit(on) {
    const maps = on ? run.maps[which] || run.maps[0] : null, key = JSON.stringify(maps);
    if (lit && lit.key === key) return;
    if (lit) lit.box.remove();
    lit = null;
    if (!on) return;
    const address = ({ name: file, version }) => (file.endsWith(".png") ? url("file", { run: name, name: file, v: version }) : url("thumbnail", { run: name, name: file, v: version, side: 1024 }));
    lit = new LitView(Object.fromEntries(Object.entries(maps.files).map(([kind, file]) => [kind, address(file)])), maps.convention);
    lit.key = key;
    views.append(lit.box);
  }

  let playing = 0;
  function playSteps() {
    if (playing) { clearInterval(playing); playing = 0; play.textContent = "▶"; return; }
    play.textContent = "❚❚";
    if (place === null) place = -1;
    playing = setInterval(() => {
      const steps = stepsOf(run, which);
      place += 1;
      if (place >= steps.length - 1) { place = null; playSteps(); }
      showPictures();
    }, 400);
  }

  async function showCurves() {
    if (!run) return;
    const columns = await get("api/curves", { run: name, picture: which }).catch(() => null);
    if (closed || !columns || !columns.steps.length) return;
    chart.show(columns, group.value);
  }

  function showSide() {
    const live = run.live || {};
    weights.show(run);
    const facts = [];
    if (run.status === "running") {
      const stages = live.stages || [], stage = stages[live.stage];
      if (live.phase) facts.push(["now", live.phase]);
      if (live.pictures > 1) facts.push(["picture", `${live.picture + 1} of ${live.pictures}`]);
      if (stage) facts.push(["stage", `${live.stage + 1} of ${stages.length}, ${stage[1]} × ${stage[0]}`]);
      if (live.step !== undefined) facts.push(["step", stage ? `${live.step_of_stage} of at most ${stage[2]}` : `${live.step} of ${live.steps || ""}`]);
      if (live.steps_per_second) facts.push(["speed", `${number(live.steps_per_second, 3)} steps/s`]);
      if (live.seconds_left) facts.push(["time left", duration(live.seconds_left)]);
      if (live.memory) facts.push(["memory", bytes(live.memory)]);
      if (live.loss) facts.push(["loss", number(live.loss)]);
      if (live.host) facts.push(["process", `${live.process} on ${live.host}`]);
    } else {
      facts.push(["status", STATUS[run.status]]);
      if (run.steps) facts.push(["steps", number(run.steps)]);
      if (run.loss) facts.push(["loss", number(run.loss)]);
      if (run.message) facts.push(["end", run.message]);
    }
    if (run.seconds) facts.push(["time taken", duration(run.seconds)]);
    if (run.started) facts.push(["started", new Date(run.started).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })]);
    const share = live.share === undefined ? null : el("div", { class: "meter share", role: "progressbar", "aria-label": "Share of the run", "aria-valuenow": String(Math.round(100 * live.share)) }, el("i", { "width%": 100 * live.share }));
    const byHand = run.changed_by_hand.map((text) => el("div", { class: "by-hand" }, inWords(text)));
    part("facts", "Run", [share, list(facts), byHand.length ? el("div", { role: "note" }, el("h3", {}, "Changed by hand"), byHand) : null]);
    const made = run.summary.pictures || [], scores = (made[which] || made[0] || {}).scores;
    const scored = run.status === "running" && live.scored && live.scored.picture === which ? live.scored : null;
    const asOf = scored ? el("div", { class: "muted" }, `The picture after step ${scored.step}, against its source at the same size.`) : null;
    part("scores", "Scores", scored ? [asOf, ...scoreTables(scored.scores, 0) || []] : scores ? scoreTables(scores, which) : null);
    part("commands", "Commands", Object.entries(run.commands).map(([what, text]) => el("div", { class: "command" }, el("div", {}, el("span", { class: "muted" }, what), el("code", {}, text)), el("button", { onclick: () => copy(text), "aria-label": `Copy: ${what}` }, "Copy"))));
    const settings = Object.entries(run.settings).map(([key, found]) => [key, value(found)]);
    part("settings", "Settings", settings.length ? [el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Settings" }, table(settings)), el("a", { href: url("api/config", { run: name }), target: "_blank", rel: "noreferrer" }, "config.json")] : null);
    const files = run.pictures.map((picture) => [el("a", { href: url("file", { run: name, name: picture.name, v: picture.version }), target: "_blank", rel: "noreferrer" }, picture.name), picture.size ? `${picture.size[1]} × ${picture.size[0]}` : ""]);
    part("files", "Files", [el("div", { class: "muted mono", title: run.folder }, run.folder), el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Files" }, table(files))]);
  }

  // A part is made anew only if it has changed, so that what is selected or scrolled stays.
  function part(key, title, children) {
    let box = side.querySelector(`[data-part="${key}"]`);
    if (!box) { box = el("section", { "data-part": key, "aria-label": title }); if (key === "facts") side.prepend(box); else side.append(box); }
    box.hidden = !children;
    const made = el("div", {}, (children || []).filter(Boolean));
    if (box.lastChild && box.lastChild.innerHTML === made.innerHTML) return;
    const before = box.querySelector(".scroll"), top = before ? before.scrollTop : 0;
    box.replaceChildren(el("h2", {}, title), made);
    const after = box.querySelector(".scroll");
    if (after) after.scrollTop = top;
  }

  load();
  const stop = listen((message) => {
    if (message.gone && message.gone.includes(name)) { why.className = "why"; why.dataset.text = ""; why.replaceChildren("This run was deleted or moved. What is shown is what was last read."); return; }
    if (message.runs && message.runs[name]) load();
  });
  return () => {
    closed = true;
    stop();
    clearInterval(playing);
    left.close();
    right.close();
    chart.close();
  };
}

// A change of weights, such as 40:source_weights=0.7,0.3, in words.
function inWords(text) {
  const [, picture, step, setting, weights] = text.match(/^(?:(\d+):)?(\d+):(\w+)=(.*)$/) || [];
  if (!setting) return text;
  const values = weights.split(",").map((weight) => number(Number(weight), 4)).join(", ");
  return `after step ${step}${picture ? ` of picture ${Number(picture) + 1}` : ""}: ${setting.replaceAll("_", " ")} ${values}`;
}

const split = (text) => { const place = (text || "").indexOf(" "); return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)]; };

function list(facts) {
  return el("dl", { class: "facts" }, facts.flatMap(([name, found]) => [el("dt", {}, name), el("dd", {}, found)]));
}

function table(rows) {
  return el("table", {}, el("tbody", {}, rows.map(([name, found]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, found)))));
}

// Scores of a picture, or of a loop, which has those of its motion and of its frames.
function scoreTables(scores, which) {
  const found = [];
  const walk = (scored, title) => {
    if (!scored || typeof scored !== "object") return;
    if (scored.measures) {
      if (title) found.push(el("h3", { class: "muted" }, title));
      found.push(el("div", {}, scored.sentence || ""), el("div", { class: "scores" }, table(Object.values(scored.measures).map((measure) => [measure.name, scoreBar(measure.score)]))));
    } else if (Array.isArray(scored)) {
      walk(scored[Math.min(which, scored.length - 1)], title);
    } else {
      for (const [key, inner] of Object.entries(scored)) walk(inner, title ? `${title}, ${key}` : key);
    }
  };
  walk(scores, "");
  return found.length ? [...found, el("div", { class: "muted" }, scores.measures ? "1 is as close to the source as a crop of it; smaller is better." : "")] : null;
}

function scoreBar(score) {
  if (typeof score !== "number") return "";
  return el("span", {}, el("span", { class: `score-bar${score > 1.2 ? " over" : ""}` }, el("i", { "width%": 50 * score })), score.toFixed(2));
}

function tagBox(name) {
  const input = el("input", {
    type: "text", size: 18, placeholder: "tags", "aria-label": "Tags, with commas between", value: (state.tags[name] || []).join(", "),
    onchange: () => attempt(post("api/tags", { run: name, tags: input.value.split(",").map((tag) => tag.trim()).filter(Boolean) }), "Kept."),
  });
  return input;
}

// Several runs beside each other at one size, and what differs between them.
export function comparePage(main, names) {
  document.title = "Compare – subjective";
  const view = new View(), viewers = [];
  let closed = false;
  const views = el("div", { class: `views${names.length > 3 ? " many" : ""}` }), sheet = el("div", { class: "sheet" });
  const tools = el("div", { class: "tools" });
  main.replaceChildren(el("div", { class: "head" }, el("h1", {}, `Compare ${names.length} runs`)), el("section", { class: "pictures", "aria-label": "Pictures" }, tools, views), sheet);
  (async () => {
    const runs = (await Promise.all(names.map((name) => attempt(get("api/run", { run: name }))))).filter(Boolean);
    if (closed || !runs.length) return;
    for (const run of runs) {
      const viewer = new Viewer(view, `The picture of ${run.name}`);
      viewer.caption.textContent = run.name;
      viewer.hint.textContent = "No picture yet.";
      viewer.layer.show(drawable(run, stepsOf(run, 0).at(-1)));
      viewers.push(viewer);
      views.append(viewer.box);
    }
    const tiles = [1, 2].map((count) => el("button", { "aria-pressed": String(count === 1), onclick: () => {
      viewers.forEach((viewer) => (viewer.tiles = count));
      tiles.forEach((button, index) => button.setAttribute("aria-pressed", String(index + 1 === count)));
      view.fit();
    } }, count === 1 ? "1 × 1" : "2 × 2"));
    tools.append(el("span", { class: "group", role: "group", "aria-label": "Repeat" }, tiles));
    if (runs.length === 2) {
      const swipe = el("button", { "aria-pressed": "false", onclick: () => {
        const on = viewers[0].wipe === null;
        swipe.setAttribute("aria-pressed", String(on));
        viewers[1].box.hidden = on;
        viewers[0].second.textContent = runs[1].name;
        viewers[0].other.show(on ? drawable(runs[1], stepsOf(runs[1], 0).at(-1)) : null);
        viewers[0].setWipe(on ? 0.5 : null);
      } }, "Swipe");
      tools.append(swipe);
    }
    tools.append(zoomTools(view, viewers[0]));
    sheet.append(compareTable(runs));
  })();
  return () => { closed = true; viewers.forEach((viewer) => viewer.close()); };
}

function compareTable(runs) {
  const rows = [["status", ...runs.map((run) => STATUS[run.status])], ["steps", ...runs.map((run) => number(run.steps))], ["time taken", ...runs.map((run) => duration(run.seconds))]];
  const best = (label, values) => {
    const known = values.filter((one) => typeof one === "number");
    const least = Math.min(...known);
    return [label, ...values.map((one) => (typeof one === "number" ? el("span", { class: known.length > 1 && one === least ? "best" : "" }, number(one, 3)) : ""))];
  };
  rows.push(best("loss", runs.map((run) => run.loss)));
  const measures = new Map();
  for (const run of runs) for (const [key, measure] of Object.entries((run.summary.pictures && run.summary.pictures[0] && run.summary.pictures[0].scores || {}).measures || {})) measures.set(key, measure.name);
  const scores = [...measures].map(([key, text]) => best(text, runs.map((run) => run.scores[key])));
  const settings = [...new Set(runs.flatMap((run) => Object.keys(run.settings)))].filter((key) => new Set(runs.map((run) => JSON.stringify(run.settings[key]))).size > 1 && !["output_dir", "output_prefix"].includes(key));
  const group = (title, found) => (found.length ? [el("tr", { class: "head-row" }, el("th", { scope: "colgroup", colspan: String(runs.length + 1) }, title)), ...found.map(([label, ...cells]) => el("tr", {}, el("th", { scope: "row", class: "muted" }, label), cells.map((cell) => el("td", {}, cell))))] : []);
  return el("table", {},
    el("thead", {}, el("tr", { class: "head-row" }, el("td", {}), runs.map((run) => el("th", { scope: "col" }, el("a", { href: runAddress(run.name) }, run.name))))),
    el("tbody", {}, group("Run", rows), group("Settings that differ", settings.map((key) => [key, ...runs.map((run) => value(run.settings[key]))])), group("Scores", scores)));
}
