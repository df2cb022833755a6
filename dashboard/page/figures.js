// The figures of all mail, each with its last five minutes.

import { Chart } from "./charts.js";
import { h, text } from "./dom.js";
import { count, rate } from "./format.js";

const figures = [
  { title: "messages/s", value: (m) => rate(m.sums.get("").messages), series: 1, color: "--accent" },
  { title: "in flight", value: (m) => count(m.sums.get("").inflight), series: 2, color: "--second" },
  { title: "failures/s", value: (m) => rate(m.sums.get("").failures), series: 3, color: "--warn" },
  { title: "sessions", value: (m) => count(m.status.listeners.reduce((n, l) => n + l.sessions, 0)) },
];

export class Figures {
  constructor(place) {
    this.shown = figures.map((figure) => {
      const number = h("span", { class: "figure" });
      const chart = figure.series ? new Chart([{ label: figure.title, color: figure.color }], { height: 40, describe: figure.title, bare: true }) : null;
      place.append(h("div", { class: "card" }, h("p", {}, number, h("span", { class: "dim" }, figure.title)), chart?.element ?? h("p", { class: "dim under" })));
      return { ...figure, number, chart };
    });
    this.under = place.querySelector(".under");
  }

  update(model) {
    const { data } = model.histories.get("pool ") ?? { data: [[], [], [], []] };
    for (const one of this.shown) {
      const value = one.value(model);
      text(one.number, value);
      one.chart?.set([data[0], data[one.series]], "now " + value);
    }
    const deferring = model.deferring ?? 0;
    text(this.under, deferring > 0 ? `weir defers ${rate(deferring)} commands a second itself` : "weir itself defers nothing");
    this.under.classList.toggle("failed", deferring > 0);
  }
}
