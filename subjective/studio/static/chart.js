// Loss and its parts, on a logarithmic scale, with a legend that hides curves.
import { el, number } from "./util.js";

const COLORS = ["#5b8dd6", "#d98032", "#4fa062", "#b0609e", "#c0504d", "#4ba7b3", "#94842f", "#8b74c4", "#7f8792", "#a2704f", "#d06f9e", "#5f9a8a"];

export const GROUPS = { octave: "octave", layer: "layer", statistic: "statistic", every: "every part" };

// The name under which a part such as texture/0/pool1/gram is added up.
export function groupOf(path, by) {
  const parts = path.split("/");
  if (parts.length < 4 || !/^\d+$/.test(parts[1])) return path;
  const found = { octave: `octave ${parts[1]}`, layer: parts[2], statistic: parts.slice(3).join("/"), every: parts.slice(1).join(" ") };
  return found[by];
}

export function addUp(series, by) {
  const found = new Map();
  for (const [path, values] of Object.entries(series)) {
    if (path === "loss") continue;
    const name = groupOf(path, by);
    const sums = found.get(name);
    found.set(name, sums ? sums.map((sum, place) => (sum === null || values[place] === null ? null : sum + values[place])) : values);
  }
  return found;
}

export class Chart {
  constructor() {
    this.hidden = new Set();
    this.chart = el("div", { class: "chart", role: "img", "aria-label": "The loss and its parts at each step" });
    this.legend = el("div", { class: "legend", role: "group", "aria-label": "Curves" });
    this.box = el("div", {}, this.chart, this.legend);
    this.watcher = new ResizeObserver(() => this.plot && this.plot.setSize({ width: this.chart.clientWidth - 8, height: 230 }));
    this.watcher.observe(this.chart);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.columns && this.show(this.columns, this.by, true);
    this.dark.addEventListener("change", this.repaint);
  }
  close() {
    this.watcher.disconnect();
    this.dark.removeEventListener("change", this.repaint);
    if (this.plot) this.plot.destroy();
  }
  show(columns, by, anew = false) {
    this.columns = columns;
    const names = ["loss"], data = [columns.steps, clean(columns.series.loss || [])];
    for (const [name, values] of addUp(columns.series, by)) {
      names.push(name);
      data.push(clean(values));
    }
    const same = !anew && this.plot && this.by === by && String(this.names) === String(names);
    this.by = by;
    this.names = names;
    if (same) return this.plot.setData(data);
    if (this.plot) this.plot.destroy();
    const ink = getComputedStyle(document.documentElement).getPropertyValue("color");
    const faint = this.dark.matches ? "#ffffff1a" : "#0000001a";
    const axis = { stroke: ink, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint, width: 1 }, font: "11px system-ui" };
    this.plot = new uPlot({
      width: Math.max(this.chart.clientWidth - 8, 200),
      height: 230,
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [{ ...axis, size: 28 }, { ...axis, size: 58, filter: powers, grid: { ...axis.grid, filter: powers }, ticks: { ...axis.ticks, filter: powers }, values: (plot, ticks) => ticks.map((tick) => (tick === null ? "" : tick.toExponential().replace("+", ""))) }],
      cursor: { points: { size: 6 }, drag: { x: true, y: false } },
      series: [{}, ...names.map((name, place) => ({
        label: name, stroke: this.color(place), width: place ? 1.25 : 2.25, points: { show: false }, show: !this.hidden.has(name),
      }))],
      hooks: { setCursor: [() => this.tell()] },
    }, data, this.chart);
    this.legend.replaceChildren(...names.map((name, place) => this.entry(name, place)));
  }
  color(place) {
    return place ? COLORS[(place - 1) % COLORS.length] : this.dark.matches ? "#f0f0f0" : "#202020";
  }
  entry(name, place) {
    const value = el("span", { class: "number muted" });
    const button = el("button", {
      "aria-pressed": String(!this.hidden.has(name)),
      onclick: () => {
        const shown = this.hidden.has(name);
        if (shown) this.hidden.delete(name); else this.hidden.add(name);
        button.setAttribute("aria-pressed", String(shown));
        this.plot.setSeries(place + 1, { show: shown });
      },
    }, el("i", { color: this.color(place) }), name, " ", value);
    button.value_ = value;
    return button;
  }
  tell() {
    const place = this.plot.cursor.idx;
    [...this.legend.children].forEach((button, index) => {
      const found = place === null || place === undefined ? null : this.plot.data[index + 1][place];
      button.value_.textContent = found === null || found === undefined ? "" : number(found, 3);
    });
  }
}

const isPower = (tick) => tick !== null && /^1e/.test(Number(tick.toPrecision(6)).toExponential());
const powers = (plot, ticks) => ticks.map((tick) => (isPower(tick) ? tick : null));
const clean = (values) => values.map((found) => (found > 0 ? found : null));  // a logarithm has no zero
