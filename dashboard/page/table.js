// One pool: a heading that tells of its redundancy, and its connectors as a
// table. Of a large pool only the rows in sight are in the document.

import { arrange, attribute, h, text } from "./dom.js";
import { count, rate, shape } from "./format.js";
import { Row } from "./row.js";

const manyRows = 40; // from here on rows are virtual
const manyInAll = 200; // from here on pools out of sight have no rows
const spare = 8; // rows above and below those in sight

const columns = [
  ["Connector", "name"],
  ["State", "state"],
  ["Why", "why"],
  ["Share", "share"],
  ["In flight", "number"],
  ["Messages/s", "number broad"],
  ["Failures", "number"],
  ["p50, p99", "number broad"],
  ["Last probe", "probe"],
  ["Order", "order"],
];

export class PoolTable {
  constructor(name, page) {
    this.page = page; // model, opened, order, probe
    this.views = new Map(); // id → Row
    this.rows = [];
    this.name = name;
    this.rowHeight = 54;
    const id = "pool-" + name;
    this.sign = h("span", { class: "sign" });
    this.standing = h("span", { class: "standing" });
    this.facts = h("span", { class: "dim" });
    this.now = h("p", { class: "now dim" });
    this.above = spacer();
    this.below = spacer();
    this.empty = h("p", { class: "dim empty", hidden: true });
    const heads = columns.map(([label, kind]) => h("th", { scope: "col", role: "columnheader", class: kind }, kind === "order" ? h("span", { class: "hidden" }, label) : label));
    this.body = h("tbody", { role: "rowgroup" });
    this.table = h("table", { role: "table", class: "connectors", "aria-labelledby": id }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), this.body);
    this.scroller = h("div", { class: "scroller" }, this.table);
    this.scroller.addEventListener("scroll", () => this.place(), { passive: true });
    this.element = h("section", { class: "pool card", "aria-labelledby": id },
      h("header", {}, h("h2", { id }, this.sign, name), h("p", {}, this.standing, " ", this.facts), this.now), this.scroller, this.empty);
    this.near = true;
    this.watch = new IntersectionObserver(([seen]) => {
      this.near = seen.isIntersecting;
      this.place();
    }, { rootMargin: "800px" });
    this.watch.observe(this.element);
    this.body.addEventListener("keydown", (event) => this.keys(event));
  }

  // close ends what a pool that is gone still has going.
  close() {
    this.watch.disconnect();
    for (const id of this.views.keys()) this.drop(id);
  }

  // update shows the pool with these of its connectors.
  update(pool, rows) {
    this.rows = rows;
    this.heading(pool);
    const many = rows.length > manyRows;
    this.scroller.classList.toggle("many", many);
    attribute(this.scroller, "tabindex", many ? "0" : null);
    attribute(this.scroller, "role", many ? "region" : null);
    attribute(this.scroller, "aria-label", many ? "Connectors of " + pool.name : null);
    attribute(this.table, "aria-rowcount", many ? rows.length + 1 : null);
    this.table.hidden = rows.length === 0;
    this.empty.hidden = rows.length > 0;
    text(this.empty, pool.total === 0 ? "No source knows a connector for this pool." : `None of ${pool.total} connectors is like that.`);
    this.place();
  }

  heading(pool) {
    const [kind, words] = standing(pool);
    if (this.kind !== kind) {
      this.sign.replaceChildren(shape({ bad: "down", warn: "thin", ok: "good" }[kind]));
      this.sign.firstChild.classList.add(kind);
      this.element.dataset.kind = this.kind = kind;
    }
    text(this.standing, words);
    text(this.facts, [pool.policy, pool.protocol !== "smtp" && pool.protocol].filter(Boolean).join(" · "));
    const sum = this.page.model.sums.get(pool.name);
    if (sum) text(this.now, `${rate(sum.messages)} messages/s · ${count(sum.inflight)} in flight`);
  }

  // place puts the rows into the document that are in sight.
  place() {
    const rows = this.rows;
    const [from, to, before, after] = this.window();
    const nodes = [this.above];
    const used = new Set();
    for (let i = from; i < to; i++) {
      const view = this.view(rows[i]);
      used.add(rows[i].id);
      view.update(rows[i]);
      attribute(view.element, "aria-rowindex", this.scroller.classList.contains("many") ? i + 2 : null);
      nodes.push(view.element);
      if (view.detail) nodes.push(view.detail.element);
    }
    nodes.push(this.below);
    setHeight(this.above, before);
    setHeight(this.below, after);
    arrange(this.body, nodes);
    for (const id of this.views.keys()) if (!used.has(id)) this.drop(id);
    const height = this.views.get(rows[from]?.id)?.element.offsetHeight;
    if (height) this.rowHeight = height;
  }

  // drop forgets a row that is out of sight.
  drop(id) {
    this.views.get(id).close();
    this.views.delete(id);
  }

  // window is which rows are in sight, and the height of those above and below.
  window() {
    const rows = this.rows;
    if (!this.near && this.page.model.rows.size > manyInAll) return [0, 0, this.rowHeight * rows.length, 0];
    if (!this.scroller.classList.contains("many")) return [0, rows.length, 0, 0];
    const top = this.scroller.scrollTop;
    const bottom = top + (this.scroller.clientHeight || 600);
    let from = -1, to = rows.length, before = 0, after = 0, y = 0;
    rows.forEach((row, i) => {
      const height = this.rowHeight + (this.page.opened.get(row.id) ?? 0);
      const end = y + height;
      if (end < top - spare * this.rowHeight) before = end;
      else if (from < 0) from = i;
      if (y > bottom + spare * this.rowHeight) {
        to = Math.min(to, i);
        after += height;
      }
      y = end;
    });
    return [Math.max(from, 0), to, before, after];
  }

  view(row) {
    let view = this.views.get(row.id);
    if (!view) this.views.set(row.id, (view = new Row(row, this.page, () => this.place())));
    return view;
  }

  keys(event) {
    const at = this.rows.findIndex((row) => this.views.get(row.id)?.element.contains(event.target));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.focusRow(at + step);
    else if (event.key === "d") this.page.order(this.rows[at], this.rows[at].admin === "enabled" ? "drain" : this.rows[at].admin === "disabled" ? "enable" : "undrain");
    else if (event.key === "p") this.views.get(this.rows[at].id).open(true).probe();
    else return;
    event.preventDefault();
  }

  focusRow(i) {
    const row = this.rows[i];
    if (!row) return;
    if (!this.views.has(row.id)) {
      this.scroller.scrollTop = i * this.rowHeight;
      this.place();
    }
    this.views.get(row.id)?.name.focus();
  }
}

// standing is how redundant a pool is, in a kind and in words.
function standing(pool) {
  const of = `${count(pool.eligible)} of ${count(pool.total)} take mail`;
  if (pool.total === 0) return ["bad", "no connectors"];
  if (pool.eligible === 0) return ["bad", "none of " + count(pool.total) + " takes mail"];
  if (pool.panic) return ["bad", of + ", in panic: ejected ones are used"];
  if (!pool.redundant) return ["warn", of + ", fewer than min_redundancy " + pool.min_redundancy];
  return ["ok", of];
}

const spacer = () => h("tr", { class: "spacer", "aria-hidden": "true", role: "presentation" });

function setHeight(element, height) {
  element.hidden = height === 0;
  element.style.height = height + "px";
}
