// The weights of a run that goes on: they are changed between two of its steps.
import { attempt, el, number, post } from "./util.js";

const TITLES = {
  source_weights: "sources", statistic: "statistics", layer_weights: "layers", octave_weights: "octaves",
  layout_weight: "layout", if_weight: "distance of frames", content_weight: "content",
  tv_weight: "smoothness", mix_weight: "mixture of the maps",
};

export class Weights {
  constructor(name) {
    this.name = name;
    this.key = "";
    this.rows = el("div", { class: "weights" });
    this.said = el("div", { role: "status", class: "muted" });
    this.send = el("button", { disabled: true, onclick: () => this.ask() }, "Change weights");
    this.back = el("button", { disabled: true, onclick: () => this.build() }, "Reset");
    this.box = el("section", { "aria-label": "Weights", hidden: true }, el("h2", {}, "Weights"), this.rows,
      el("div", { class: "bar" }, this.send, this.back), this.said);
  }
  // What was typed stays until the run has other weights than before.
  show(run) {
    const live = run.status === "running" && run.live ? run.live : {};
    const weights = live.weights || {}, key = JSON.stringify(weights);
    this.box.hidden = !Object.keys(weights).length;
    if (key !== this.key) {
      if (this.key && this.asked) this.said.textContent = "The run goes on with these weights.";
      this.key = key;
      this.weights = weights;
      this.asked = false;
      this.build();
    }
    if (live.told && live.told !== this.told) { this.said.textContent = `Not taken: ${live.told}`; this.asked = false; }
    this.told = live.told || "";
  }
  build() {
    this.now = Object.fromEntries(Object.entries(this.weights).map(([name, pairs]) => [name, pairs.map(([, weight]) => weight)]));
    this.rows.replaceChildren(...Object.entries(this.weights).map(([name, pairs]) => {
      const rows = pairs.map(([label, weight], place) => this.row(name, place, label, weight));
      return pairs.length > 1 || name === "source_weights" || name === "statistic" ? el("details", { open: name === "source_weights" }, el("summary", {}, TITLES[name] || name), rows) : el("div", {}, rows);
    }));
    this.changed();
  }
  row(name, place, label, weight) {
    const text = name in TITLES && label === name ? TITLES[name] : label;
    const largest = Math.max(...this.weights[name].map(([, one]) => one)), most = name === "source_weights" ? Math.max(largest, 1) : 2 * largest || 1;
    const typed = el("input", { type: "text", inputmode: "decimal", "aria-label": `Weight of ${text}`, value: String(Number(weight.toPrecision(6))), size: 7, oninput: () => give(Number(typed.value), slider) });
    const slider = el("input", { type: "range", min: "0", max: String(most), step: String(most / 200), "aria-label": `Slider for ${text}`, oninput: () => give(Number(slider.value), typed) });
    slider.value = String(weight);
    const give = (value, other) => {
      this.now[name][place] = typed.value.trim() === "" ? NaN : value;
      other.value = other === typed ? number(value, 4) || "0" : String(value);
      this.changed();
    };
    return el("label", { class: "weight" }, el("span", { title: text }, text), slider, typed);
  }
  get changes() {
    return Object.fromEntries(Object.entries(this.now).filter(([name, values]) => String(values) !== String(this.weights[name].map(([, weight]) => weight))));
  }
  changed() {
    const changes = Object.values(this.changes);
    this.back.disabled = !changes.length;
    this.send.disabled = !changes.length || changes.flat().some((value) => !(value >= 0 && isFinite(value)));
  }
  async ask() {
    const found = await attempt(post("api/control", { run: this.name, weights: this.changes }));
    if (!found) return;
    this.asked = true;
    this.said.textContent = "Asked. The run takes them after its step.";
  }
}
