// What an opened row shows: the facts apart, the stages, a chart, a probe as a
// dialogue, the last failures, and the command of each order.

import { Chart } from "./charts.js";
import { arrange, attribute, copyLine, h, text } from "./dom.js";
import { get, pathOf, post } from "./feed.js";
import { clock, count, ms, quote, rate } from "./format.js";
import { reason } from "./row.js";

const stageNames = ["connect", "tls", "banner", "ehlo", "mail", "rcpt", "data", "body", "final_dot"];
const lastFailures = 20;
const badEnds = ["deferred", "ambiguous", "aborted", "delivered-unacknowledged"];

export class Detail {
  constructor(row, page, sized) {
    this.row = row;
    this.page = page;
    this.facts = h("dl", { class: "facts" });
    this.values = new Map();
    this.stages = h("tbody");
    this.dialogue = h("div", { class: "dialogue", role: "status" });
    this.failures = h("div", {}, h("p", { class: "dim" }, "asking …"));
    this.chart = new Chart([{ label: "messages/s", color: "--accent" }, { label: "in flight", color: "--second" }], { height: 110, describe: row.id });
    this.element = this.build();
    this.resize = new ResizeObserver(() => sized(this.element.offsetHeight));
    this.resize.observe(this.element);
    this.update(row);
    this.askFailures();
  }

  build() {
    const row = this.row;
    this.probeButton = h("button", { type: "button", class: "small", onclick: () => this.probe() }, "Probe now");
    const stages = h("table", { class: "stages" }, h("caption", { class: "hidden" }, "Time in each stage"),
      h("thead", {}, h("tr", {}, ["stage", "p50", "p99"].map((name, i) => h("th", { scope: "col", class: i ? "number" : null }, name)))), this.stages);
    const part = (title, ...children) => h("section", {}, h("h3", {}, title), ...children);
    this.orders = h("div", { class: "orders" });
    const inside = h("div", { class: "detail" },
      part("How it stands", this.facts, this.orders),
      part("The last minutes", this.chart.element),
      part("Stages", stages),
      part("Probe", this.lastProbe = h("p"), this.probeButton, this.dialogue),
      part("Last failures", this.failures),
      part("The same in a terminal", ...commands(row).map(copyLine)));
    return h("tr", { role: "row", class: "opened" }, h("td", { role: "cell", colspan: 10 }, inside));
  }

  update(row) {
    this.row = row;
    this.fact("State", `${row.state}: ${reason(row)}`);
    this.fact("Since", clock(row.since));
    this.fact("Health", row.health);
    this.fact("Breaker", row.breaker);
    this.fact("Order", row.admin + (row.admin_by ? ", by " + row.admin_by : ""));
    this.fact("Weight", `${row.weight}, cost ${row.cost}`);
    this.fact("Connections", `${count(row.connections)}, of which ${count(row.idle)} idle`);
    this.fact("Messages", `${count(row.messages)} since the start, ${rate(row.perSecond)} a second now`);
    this.fact("Ambiguous", count(row.ambiguous));
    this.fact("Known from", row.sources.join(", ") || "nowhere");
    this.updateStages(row.stages);
    this.updateProbe(row.probe);
    this.updateOrders(row);
    const history = this.page.model.watch(row.id);
    this.chart.set(history.data, `${rate(row.perSecond)} messages a second, ${count(row.inflight)} in flight`);
  }

  fact(name, value) {
    if (!this.values.has(name)) {
      const place = h("dd");
      this.facts.append(h("div", {}, h("dt", {}, name), place));
      this.values.set(name, place);
    }
    text(this.values.get(name), value);
  }

  updateStages(stages) {
    const key = JSON.stringify(stages);
    if (key === this.stagesKey) return;
    this.stagesKey = key;
    const slowest = Math.max(...Object.values(stages).map((q) => q.p99), 0.001);
    const lines = stageNames.filter((name) => stages[name]).map((name) => {
      const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
      bar.firstChild.style.width = Math.max(1, (stages[name].p99 / slowest) * 100) + "%";
      return h("tr", {}, h("th", { scope: "row" }, name, bar), h("td", { class: "number" }, ms(stages[name].p50)), h("td", { class: "number" }, ms(stages[name].p99)));
    });
    if (!lines.length) lines.push(h("tr", {}, h("td", { colspan: 3, class: "dim" }, "no message yet")));
    arrange(this.stages, lines);
  }

  updateProbe(probe) {
    text(this.lastProbe, !probe ? "None has ended yet." : probe.ok
      ? `${probe.depth} passed at ${clock(probe.at)} in ${ms(probe.ms)}.`
      : `${probe.depth} failed at ${clock(probe.at)}, at ${probe.stage}: ${probe.error}`);
    this.probeButton.disabled = this.page.model.me.role !== "operate";
  }

  updateOrders(row) {
    const verbs = { enabled: ["drain", "disable"], drain: ["undrain", "disable"], disabled: ["enable"] }[row.admin] ?? [];
    const key = verbs.join() + this.page.model.me.role;
    if (key === this.ordersKey) return;
    this.ordersKey = key;
    this.orders.replaceChildren(...verbs.map((verb) => h("button", {
      type: "button", class: verb === "disable" ? "small danger" : "small", "aria-haspopup": "dialog",
      disabled: this.page.model.me.role !== "operate", onclick: () => this.page.order(this.row, verb),
    }, verb[0].toUpperCase() + verb.slice(1))));
  }

  // probe has the connector probed, and shows what was said. It changes nothing.
  async probe() {
    if (this.probing) return;
    this.probing = true;
    attribute(this.probeButton, "aria-busy", "true");
    this.dialogue.replaceChildren(h("p", { class: "dim" }, "probing …"));
    const { ok, body } = await post(pathOf(this.row, "probe"));
    this.probing = false;
    attribute(this.probeButton, "aria-busy", null);
    this.dialogue.replaceChildren(...(ok ? spoken(body) : [h("p", { class: "failed" }, body.error)]));
  }

  // askFailures asks for the last failures, where this weir keeps them.
  async askFailures() {
    const id = encodeURIComponent(this.row.id);
    const asked = [`tried=${id}&limit=${lastFailures}`, ...badEnds.map((end) => `backend=${id}&limit=${lastFailures}&outcome=${end}`)];
    const answers = await Promise.all(asked.map((query) => get("v1/transactions?" + query)));
    const refused = answers.find((answer) => !answer.ok);
    let shown;
    if (refused) {
      const none = refused.code === 404 || refused.code === 501;
      shown = h("p", { class: "dim" }, none ? "This weir keeps no history to look into." : refused.body.error);
    } else {
      const list = newest(answers.flatMap((answer) => answer.body.transactions ?? []));
      shown = list.length ? h("ol", { class: "failures", tabindex: "0", "aria-label": "Last failures" }, list.map(failure)) : h("p", { class: "dim" }, "None in the history.");
    }
    this.failures.replaceChildren(shown);
  }

  close() {
    this.resize.disconnect();
    this.chart.close();
  }
}

// newest is the last of some failures, each once: one may have been left by a
// message that ended badly there too.
function newest(failures) {
  const byID = new Map(failures.map((t) => [t.id, t]));
  return [...byID.values()].sort((a, b) => Date.parse(b.time) - Date.parse(a.time)).slice(0, lastFailures);
}

function failure(t) {
  const left = (t.tries ?? []).map((one) => `left ${one.backend}: ${one.why}`).join("; ");
  const stage = t.outcome === "delivered" ? "" : t.stage;
  return h("li", {}, h("time", { class: "dim", datetime: t.time }, clock(t.time)), " ", h("code", {}, t.id), " ", h("b", {}, t.outcome), " ",
    [stage, left || t.reply].filter(Boolean).join(": "));
}

function spoken(answer) {
  const names = { weir: "weir", connector: "connector", note: "note" };
  const lines = (answer.dialogue ?? []).map((line) => h("li", { class: line.from },
    h("span", { class: "dim number" }, ms(line.at_ms)), h("span", { class: "speaker" }, names[line.from] ?? line.from), h("code", {}, line.text)));
  const end = answer.ok ? `passed: ${answer.depth} in ${ms(answer.took_ms)}` : `failed at ${answer.stage}: ${answer.error}`;
  return [h("p", { class: answer.ok ? "passed" : "failed" }, end, answer.remark ? ` (${answer.remark})` : ""), h("ol", { class: "spoken" }, lines)];
}

// commands are the lines of the orders that fit a connector now.
function commands(row) {
  const id = quote(row.id);
  const word = row.admin === "enabled" ? `weir drain ${id} --wait --reason 'reboot'` : row.admin === "disabled" ? `weir enable ${id}` : `weir undrain ${id}`;
  return [word, `weir probe ${id}`, `weir status ${id}`, `weir disable ${id} --yes`];
}
