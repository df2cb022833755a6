// Small live charts, drawn by uPlot, in the colours of the page.

import { attribute, h } from "./dom.js";

const shortest = 30; // s that a chart shows at the least

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Chart is some lines over the same times. It is told in words, too, since a
// canvas tells a screen reader nothing.
export class Chart {
  constructor(lines, { height, describe, bare }) {
    this.lines = lines;
    this.height = height;
    this.describe = describe;
    this.bare = bare;
    this.place = h("div", { class: "chart", role: "img", "aria-label": describe });
    const legend = bare ? null : h("p", { class: "legend dim", "aria-hidden": "true" }, lines.map((line, i) => h("span", { class: "line-" + i }, line.label)));
    this.element = h("div", {}, this.place, legend);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.place);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", (this.redraw = () => this.draw()));
  }

  set(data, words) {
    this.data = data;
    attribute(this.place, "aria-label", `${this.describe}: ${words}`);
    if (!this.plot) this.draw();
    if (!this.plot) return;
    const now = data[0].at(-1) ?? 0;
    this.plot.setData(data, false);
    this.plot.setScale("x", { min: Math.min(data[0][0] ?? now, now - shortest), max: now });
    const highest = Math.max(...data.slice(1).flat().filter((value) => value !== null), 0);
    this.plot.setScale("y", { min: 0, max: highest > 0 ? highest * 1.15 : 1 });
  }

  fit() {
    const width = this.place.clientWidth;
    if (!width) return;
    if (this.plot) this.plot.setSize({ width, height: this.height });
    else if (this.data) this.set(this.data, "");
  }

  draw() {
    const width = this.place.clientWidth;
    if (!width || !this.data) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(width), this.data, this.place);
  }

  options(width) {
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--dim"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
    const dashes = [undefined, [5, 3], [2, 2]];
    return {
      width, height: this.height, legend: { show: false }, cursor: { show: false }, padding: this.bare ? [2, 0, 0, 0] : [6, 4, 0, 0],
      scales: { x: { time: true, auto: false }, y: { auto: false } },
      axes: this.bare
        ? [{ show: false }, { show: false }]
        : [{ ...axis, size: 22, space: 70, grid: { show: false }, values: (_, at) => at.map((t) => timeOf(t, at.at(-1) - at[0] < 200)) }, { ...axis, size: 34, space: 26 }],
      series: [{}, ...this.lines.map((line, i) => ({
        scale: "y", stroke: colour(line.color), width: 1.6, dash: dashes[i], points: { show: false },
        fill: i === 0 ? colour("--fill") : undefined,
      }))],
    };
  }

  close() {
    this.resize.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    this.plot?.destroy();
  }
}

function timeOf(seconds, precise) {
  const d = new Date(seconds * 1000);
  const parts = [d.getHours(), d.getMinutes(), ...(precise ? [d.getSeconds()] : [])];
  return parts.map((n) => String(n).padStart(2, "0")).join(":");
}
