// One connector as a row of its pool's table.

import { Detail } from "./detail.js";
import { attribute, h, text } from "./dom.js";
import { ago, clock, count, localTimes, ms, rate, shape } from "./format.js";

const cell = (kind, label, ...children) => h("td", { role: "cell", class: kind, "data-label": label }, ...children);

export class Row {
  constructor(row, page, resized) {
    this.page = page;
    this.id = row.id;
    this.row = row;
    this.resized = resized;
    this.detail = null;
    this.build();
    if (page.opened.has(row.id)) this.open(true);
  }

  build() {
    this.name = h("button", { type: "button", class: "name-button", "aria-expanded": "false", onclick: () => this.open(!this.detail) });
    this.address = h("span", { class: "address dim" });
    this.sign = h("span", { class: "sign" });
    this.word = h("span", { class: "word" });
    this.since = h("span", { class: "dim since" });
    this.why = h("span", { class: "clamp" });
    this.bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
    this.share = h("span");
    this.inflight = h("span");
    this.speed = h("span");
    this.failures = h("span");
    this.p50 = h("span");
    this.p99 = h("span", { class: "dim since" });
    this.probe = h("span", { class: "clamp" });
    this.probed = h("span", { class: "dim since" });
    this.order = h("button", { type: "button", class: "quiet small", "aria-haspopup": "dialog", onclick: () => this.page.order(this.row, this.verb) });
    this.element = h("tr", { role: "row", class: "row" },
      h("th", { role: "rowheader", scope: "row", class: "name" }, this.name, this.address),
      cell("state", "State", h("span", { class: "state-line" }, this.sign, this.word), this.since),
      cell("why", "Why", this.why),
      cell("share", "Share", this.share, this.bar),
      cell("number", "In flight", this.inflight),
      cell("number", "Messages/s", this.speed),
      cell("number", "Failures", this.failures),
      cell("number latency", "p50, p99", this.p50, " ", this.p99),
      cell("probe", "Last probe", this.probe, this.probed),
      cell("order", "Order", this.order));
  }

  update(row) {
    this.row = row;
    const now = this.page.model.at;
    text(this.name, row.name);
    text(this.address, row.address === row.name ? "" : row.address);
    if (this.state !== row.state) {
      this.sign.replaceChildren(shape(row.state));
      this.element.dataset.state = this.state = row.state;
      text(this.word, row.state);
    }
    text(this.since, ago(Date.parse(row.since), now));
    attribute(this.since, "title", "since " + clock(row.since));
    const why = reason(row);
    text(this.why, why);
    attribute(this.why, "title", why);
    text(this.share, row.perSecond > 0 ? Math.round(row.share * 100) + " %" : "–");
    this.bar.firstChild.style.width = Math.round(row.share * 100) + "%";
    text(this.inflight, count(row.inflight));
    text(this.speed, rate(row.perSecond));
    text(this.failures, count(row.failures));
    this.element.classList.toggle("failing", row.failing > 0);
    text(this.p50, ms(row.latency_ms.p50));
    text(this.p99, ms(row.latency_ms.p99));
    this.updateProbe(row.probe, now);
    this.verb = row.admin === "enabled" ? "drain" : row.admin === "disabled" ? "enable" : "undrain";
    text(this.order, { drain: "Drain", enable: "Enable", undrain: "Undrain" }[this.verb]);
    attribute(this.order, "aria-label", this.order.textContent + " " + row.id);
    this.order.disabled = this.page.model.me.role !== "operate";
    this.detail?.update(row);
  }

  updateProbe(probe, now) {
    text(this.probe, !probe ? "none yet" : probe.ok ? "passed, " + ms(probe.ms) : "failed: " + probe.stage);
    attribute(this.probe, "title", probe && !probe.ok ? probe.error : null);
    text(this.probed, probe ? ago(Date.parse(probe.at), now) + " ago" : "");
    this.probe.classList.toggle("failed", Boolean(probe && !probe.ok));
  }

  // open shows or hides the detail, and returns it.
  open(wanted) {
    if (wanted && !this.detail) {
      this.detail = new Detail(this.row, this.page, (height) => this.sized(height));
      this.page.opened.set(this.id, this.page.opened.get(this.id) ?? 0);
    } else if (!wanted && this.detail) {
      this.close();
      this.page.opened.delete(this.id);
    }
    attribute(this.name, "aria-expanded", String(Boolean(this.detail)));
    if (this.element.isConnected) this.resized();
    return this.detail;
  }

  // sized notes the height of what is open, which rows out of sight need.
  sized(height) {
    if (height > 0 && this.page.opened.has(this.id)) this.page.opened.set(this.id, height);
  }

  close() {
    this.detail?.close();
    this.detail = null;
  }
}

// reason is why a connector is in its state, and by whom.
export function reason(row) {
  let words = localTimes(row.reason || "");
  if (row.admin !== "enabled" && row.admin_by && !words.includes(row.admin_by)) words += (words ? ", " : "") + "by " + row.admin_by;
  if (row.admin_until && !words.includes(clock(row.admin_until))) words += ", until " + clock(row.admin_until);
  if (row.gone) words += (words ? "; " : "") + "no source knows it any more";
  return words;
}
