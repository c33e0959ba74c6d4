// The form of a new run, made from the settings of each command, and the queue of commands.
import { attempt, copy, duration, el, get, post, runAddress, toast, url } from "./util.js";
import { listen, state } from "./store.js";
import { paintMask } from "./paint.js";

const PICTURE = /\.(png|jpe?g|webp|tiff?|bmp|gif|exr|hdr|avif|heic)$/i;
const IS_FILE = ["pictures", "mask"];

let forms = null;
const kept = { command: "synthesize", values: {} };  // what was filled in survives a look at another page

export async function newPage(main, isOpen) {
  document.title = "New run – subjective";
  main.replaceChildren(el("div", { class: "empty" }, "Reading the settings …"));
  const found = await attempt(get("api/forms"));
  if (!found || !isOpen()) return () => {};
  forms = found;
  return new Form(main).close;
}

class Form {
  constructor(main) {
    this.close = () => clearTimeout(this.timer);
    this.fields = el("div");
    this.command = el("select", { id: "command", onchange: () => { kept.command = this.command.value; this.build(); } },
      forms.commands.map((command) => el("option", { value: command.name, selected: command.name === kept.command }, command.name)));
    this.summary = el("span", { class: "muted" });
    this.shown = el("code", {});
    this.said = el("div", { role: "status" });
    this.start = el("button", { class: "main", onclick: () => this.run() }, "Start");
    this.tell = el("button", { onclick: () => this.forecast() }, "Memory and time");
    const aside = el("aside", {}, el("section", { "aria-label": "Start" }, el("h2", {}, "Command"), this.shown, this.said,
      el("div", { class: "bar" }, this.start, this.tell, el("button", { onclick: () => copy(this.shown.textContent) }, "Copy")),
      el("div", { class: "muted" }, "Commands run one after the other. They go on when this page is closed.")));
    main.replaceChildren(el("div", { class: "bar" }, el("h1", {}, "New run"), el("label", { for: "command" }, "make"), this.command, this.summary),
      el("div", { class: "form" }, this.fields, aside));
    this.build();
  }
  get values() {
    return (kept.values[kept.command] ??= {});
  }
  build() {
    const command = this.form = forms.commands.find((one) => one.name === kept.command) || forms.commands[0];
    this.summary.textContent = command.summary;
    this.inputs = new Map();
    this.reshow = [];
    const first = command.fields.filter((field) => field.rank !== null).sort((one, other) => one.rank - other.rank);
    const masks = command.fields.filter((field) => field.kind === "mask" && command.fields.some((one) => one.field === "picture"));
    const groups = new Map();
    for (const field of command.fields) {
      if (field.rank !== null || masks.includes(field)) continue;
      if (!groups.has(field.group)) groups.set(field.group, []);
      groups.get(field.group).push(field);
    }
    const files = first.filter((field) => IS_FILE.includes(field.kind));
    const pictures = [...files.filter((field) => field.required), ...masks.filter((field) => field.rank === null), ...files.filter((field) => !field.required)], others = first.filter((field) => !IS_FILE.includes(field.kind));
    this.fields.replaceChildren(
      ...pictures.map((field) => this.pictures(field, field.required)),
      el("fieldset", {}, el("legend", {}, "most needed"), el("div", { class: "fields" }, others.map((field) => this.field(field)))),
      ...[...groups].map(([name, fields]) => el("details", {}, el("summary", {}, name),
        el("fieldset", { "aria-label": name }, el("div", { class: "fields" }, fields.filter((field) => !IS_FILE.includes(field.kind)).map((field) => this.field(field))),
          fields.filter((field) => IS_FILE.includes(field.kind)).map((field) => this.pictures(field, false))))));
    for (const show of this.reshow) show();  // now that all settings are there
    this.changed();
  }
  // What a setting is if it is not given: as the preset says, or the default.
  usual(field) {
    for (const [name, table] of Object.entries(this.form.presets)) {
      if (!table && name in this.values && field.field !== name) return null;  // as the preset says, which is not known here
      const chosen = table && table[this.values[name] ?? this.form.fields.find((one) => one.field === name).default];
      if (chosen && field.field in chosen && field.field !== name) return chosen[field.field];
    }
    return field.default;
  }
  set(field, value) {
    if (value === undefined || value === "" || (Array.isArray(value) && !value.length)) delete this.values[field.field];
    else this.values[field.field] = value;
    this.changed();
  }
  field(field) {
    const id = `field-${field.field}`, now = this.values[field.field];
    let input;
    if (field.kind === "yes") {
      input = el("input", { type: "checkbox", id, checked: now ?? Boolean(this.usual(field)), onchange: () => this.set(field, input.checked === Boolean(this.usual(field)) ? undefined : input.checked) });
    } else if (field.kind === "network") {
      input = el("select", { id, onchange: () => this.set(field, input.value || undefined) }, el("option", { value: "" }, "choose one"),
        forms.networks.map((network) => el("option", { value: network.path, selected: now === network.path }, network.name)));
    } else if (field.kind === "choice") {
      input = el("select", { id, onchange: () => this.set(field, input.value || undefined) }, el("option", { value: "" }, ""), field.choices.map((choice) => el("option", { value: choice, selected: now === choice }, choice)));
    } else {
      const words = Array.isArray(now) ? now.join(" ") : now;
      input = el("input", { id, type: "text", inputmode: ["whole", "number"].includes(field.kind) ? "decimal" : undefined, value: words === undefined ? "" : String(words), autocomplete: "off", spellcheck: "false",
        oninput: () => this.set(field, this.read(field, input.value.trim())) });
    }
    const help = el("div", { class: "help", id: `${id}-help` }, field.help);
    input.setAttribute("aria-describedby", help.id);
    const box = el("div", { class: "field" }, el("label", { for: id, title: field.flag }, field.field.replaceAll("_", " ")),
      field.kind === "yes" ? el("div", { class: "yes" }, input, el("span", { class: "muted" }, field.flag)) : input, help);
    this.inputs.set(field.field, { field, input, box });
    return box;
  }
  read(field, text) {
    if (!text) return undefined;
    const one = (word) => (["whole", "number"].includes(field.kind) && word !== "" && isFinite(Number(word)) ? Number(word) : word);
    return field.several ? text.split(/\s+/).map(one) : one(text);
  }
  // The chosen files of a setting, with places to drop, choose and paint them.
  pictures(field, prominent) {
    const list = el("ul", { class: "picked", "aria-label": field.field });
    const chosen = () => [].concat(this.values[field.field] ?? []);
    const give = (paths) => {
      this.set(field, field.several ? paths : paths.at(-1));
      if (field.field === "source") this.weigh(paths.map(() => 1));
      show();
    };
    const remove = (place) => {
      const weights = this.weights();
      this.set(field, field.several ? chosen().filter((_, other) => other !== place) : undefined);
      if (field.field === "source") this.weigh(weights.filter((_, other) => other !== place));
      show();
    };
    const shelf = el("div", { class: "shelf", hidden: !prominent });
    const show = () => {
      list.replaceChildren(...chosen().map((path, place) => {
        const name = path.split("/").pop();
        return el("li", {}, el("img", { src: url("picture", { path }), alt: "" }), el("span", { title: path }, name),
          field.field === "source" && chosen().length > 1 && this.inputs.has("source_weights") ? this.slider(name, place) : null,
          el("button", { class: "plain", "aria-label": `Remove ${name}`, onclick: () => remove(place) }, "remove"));
      }));
      shelf.replaceChildren(...forms.pictures.map((picture) => el("button", { "aria-pressed": String(chosen().includes(picture.path)), title: `${picture.name} (${picture.group})`,
        onclick: () => (chosen().includes(picture.path) ? remove(chosen().indexOf(picture.path)) : give([...chosen(), picture.path])) },
        el("img", { src: url("picture", { path: picture.path }), alt: "", loading: "lazy" }), picture.name)));
    };
    this.reshow.push(show);
    const file = el("input", { type: "file", accept: "image/*,.exr,.hdr", multiple: field.several, "aria-label": `Files for ${field.field}`, onchange: () => this.upload(file.files, give, chosen) });
    const folder = field.several ? el("input", { type: "file", class: "away", tabindex: "-1", "aria-hidden": "true", webkitdirectory: true, onchange: () => this.upload(folder.files, give, chosen) }) : null;
    const drop = el("div", { class: "drop",
      ondragover: (event) => { event.preventDefault(); drop.classList.add("over"); },
      ondragleave: () => drop.classList.remove("over"),
      ondrop: async (event) => { event.preventDefault(); drop.classList.remove("over"); this.upload(await droppedFiles(event.dataTransfer), give, chosen); } },
      el("span", {}, field.kind === "mask" ? "Drop a mask here, or choose " : "Drop pictures here, or choose "), file,
      folder ? el("button", { onclick: () => folder.click() }, "A folder") : null, folder,
      field.kind === "mask" ? el("button", { class: "main", "aria-label": `Paint ${field.field}`, onclick: () => this.paint(field, give, chosen) }, "Paint") : null,
      el("button", { "aria-label": `Pictures to choose from for ${field.field}`, onclick: () => { shelf.hidden = !shelf.hidden; } }, "Choose from here"));
    show();
    return el("fieldset", {}, el("legend", {}, field.field.replaceAll("_", " ")), el("div", { class: "help muted" }, field.help), drop, list, shelf);
  }
  // How much each source counts; all the same if nothing else is set.
  weights() {
    const count = [].concat(this.values.source ?? []).length, given = [].concat(this.values.source_weights ?? []);
    return Array.from({ length: count }, (_, place) => (Number.isFinite(given[place]) ? given[place] : 1));
  }
  weigh(weights) {
    const entry = this.inputs.get("source_weights");
    if (!entry) return;
    const even = weights.every((weight) => weight === weights[0]);
    this.set(entry.field, even ? undefined : weights);
    entry.input.value = even ? "" : weights.join(" ");
  }
  slider(name, place) {
    const shown = el("output", { class: "number muted" });
    const input = el("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(Math.min(this.weights()[place], 1)), "aria-label": `How much ${name} counts`, oninput: () => {
      this.weigh(this.weights().map((weight, other) => (other === place ? Number(input.value) : weight)));
      this.tellShares();
    } });
    shown.dataset.place = String(place);
    queueMicrotask(() => this.tellShares());
    return el("label", { class: "share-of" }, input, shown);
  }
  tellShares() {
    const weights = this.weights(), sum = weights.reduce((before, weight) => before + weight, 0);
    for (const shown of this.fields.querySelectorAll(".share-of output")) shown.textContent = sum ? `${Math.round((100 * weights[Number(shown.dataset.place)]) / sum)} %` : "0 %";
  }
  // Paint a mask over the picture that it belongs to.
  async paint(field, give, chosen) {
    const values = this.values, style = [].concat(values.source ?? [])[chosen().length];
    const base = values.picture ?? (field.field === "style_mask" ? style : field.field === "content_mask" ? values.content : undefined);
    if (!base && this.form.fields.some((one) => one.field === "picture")) { toast("Choose the picture first."); return; }
    const width = Number(values.output_width ?? this.usual(this.form.fields.find((one) => one.field === "output_width"))), height = Number(values.output_height ?? width);
    const size = base ? ((await attempt(get("api/picture", { path: base }))) || {}).size : [height, width];
    if (!size) return;
    const made = await attempt(paintMask(`Paint ${field.field.replaceAll("_", " ")}`, base ? url("picture", { path: base, side: 2048 }) : null, size));
    if (made) await this.upload([new File([made], `mask-${field.field}.png`, { type: "image/png" })], give, chosen);
  }
  async upload(files, give, chosen) {
    const known = [...files].filter((file) => PICTURE.test(file.name));
    if (!known.length && files.length) toast("There is no picture among these files.");
    for (const file of known) {
      const answered = await attempt(fetch(url("api/upload", { name: file.name }), { method: "POST", body: file }).then(async (response) => {
        if (!response.ok) throw new Error((await response.text()).trim());
        return response.json();
      }));
      if (!answered) continue;
      if (!forms.pictures.some((picture) => picture.path === answered.path)) forms.pictures.unshift({ path: answered.path, name: answered.name, group: "dropped" });
      give([...chosen(), answered.path]);
    }
  }
  changed() {
    for (const { field, input, box } of this.inputs.values()) {
      const usual = this.usual(field), text = Array.isArray(usual) ? usual.join(" ") : usual;
      if (field.kind === "choice") input.options[0].textContent = usual === null || text === "default" ? "default" : `${text} (default)`;
      else if (field.kind === "yes") { if (!(field.field in this.values)) input.checked = Boolean(usual); }
      else input.placeholder = text === null || text === undefined ? field.wanted : String(Number.isFinite(text) ? Number(text.toPrecision(4)) : text);
      box.classList.toggle("changed", field.field in this.values);
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), 250);
  }
  async check() {
    const asked = JSON.stringify({ command: this.form.name, values: this.values });
    try {
      const found = await post("api/check", JSON.parse(asked));
      if (asked !== JSON.stringify({ command: this.form.name, values: this.values })) return;
      if (found.refusal) throw new Error(found.refusal);
      this.shown.textContent = found.command;
      this.say("");
      this.start.disabled = this.tell.disabled = false;
    } catch (error) {
      this.shown.textContent = `subjective ${this.form.name} …`;
      this.say(error.message, true);
      this.start.disabled = this.tell.disabled = true;
    }
  }
  say(lines, wrong = false) {
    this.said.className = wrong ? "said-wrong" : "";
    this.said.replaceChildren(...[].concat(lines).map((line) => el("div", {}, line)));
  }
  async forecast() {
    this.say("Asking for memory and time …");
    this.tell.disabled = true;
    try {
      const found = await post("api/forecast", { command: this.form.name, values: this.values });
      this.say(found.lines.length ? found.lines : "Nothing was said.", !found.possible);
    } catch (error) {
      this.say(error.message, true);
    }
    this.tell.disabled = false;
  }
  async run() {
    const found = await attempt(post("api/start", { command: this.form.name, values: this.values }));
    if (found) { toast(`In the queue as number ${found.number}.`); location.hash = "queue"; }
  }
}

// The files that were dropped, those inside dropped folders included.
async function droppedFiles(dropped) {
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  const all = async (entry) => {
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader(), found = [];
    for (let some = [null]; some.length; ) {
      some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      found.push(...some);
    }
    return (await Promise.all(found.map(all))).flat();
  };
  return entries.length ? (await Promise.all(entries.map(all))).flat() : [...dropped.files];
}

const WORDS = { waiting: "waiting", running: "running", finished: "finished", interrupted: "stopped", failed: "failed" };

export function queuePage(main) {
  document.title = "Queue – subjective";
  const list = el("ul", { class: "queue", "aria-label": "Commands" }), empty = el("div", { class: "empty" }, "Nothing was started here yet.", el("a", { href: "#new" }, "New run"));
  main.replaceChildren(el("div", { class: "bar" }, el("h1", {}, "Queue")), list, empty);
  const act = (number, action) => attempt(post("api/queue", { number, action }));
  function show() {
    const entries = state.queue || [];
    empty.hidden = entries.length > 0;
    const focused = document.activeElement && document.activeElement.dataset.key;
    list.replaceChildren(...entries.map((entry) => {
      const button = (action, text) => el("button", { "data-key": `${entry.number} ${action}`, onclick: () => act(entry.number, action) }, text);
      const actions = entry.status === "running" ? [entry.stop ? el("span", { class: "muted" }, "stopping …") : button("stop", "Stop and keep")]
        : entry.status === "waiting" ? [button("remove", "Remove")] : [button("again", "Again"), button("remove", "Remove")];
      return el("li", {},
        el("div", { class: "row" }, el("span", { class: "muted number" }, `${entry.number}`), el("span", { class: `status ${entry.status === "waiting" ? "" : entry.status}` }, WORDS[entry.status] || entry.status),
          entry.run ? el("a", { href: runAddress(entry.run) }, entry.run) : null,
          entry.ended ? el("span", { class: "muted" }, duration(entry.ended - entry.added)) : null,
          el("span", { class: "actions" }, el("button", { "data-key": `${entry.number} copy`, onclick: () => copy(entry.command) }, "Copy"), actions)),
        el("code", {}, entry.command),
        entry.made && entry.made.length ? el("div", { class: "shelf" }, entry.made.map((path) => el("a", { href: url("picture", { path, side: 2048 }), target: "_blank", rel: "noreferrer" }, el("img", { src: url("picture", { path }), alt: path.split("/").pop() })))) : null,
        entry.reason ? el("div", { class: entry.status === "failed" ? "said-wrong" : "muted" }, entry.reason) : null,
        entry.said && entry.status === "running" ? el("pre", {}, entry.said) : null);
    }));
    if (focused) { const again = list.querySelector(`[data-key="${focused}"]`); if (again) again.focus(); }
  }
  show();
  return listen((message) => { if (message.queue) show(); });
}
