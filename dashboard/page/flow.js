// The picture of where mail goes: senders, listeners, pools, connectors, joined
// by bands as wide as the traffic is now.

import { h, s } from "./dom.js";
import { count, rate, sessions, shape, states } from "./format.js";

const width = 960;
const columns = [0, 250, 500, 750]; // where the nodes of each column begin
const nodeWidth = 8;
const gap = 14;
const leastHeight = 16; // room for a label
const mostBand = 150; // of all traffic together
const mostPools = 10;
const named = 6; // connectors of a pool that are shown by name, beyond those that are out

// drawFlow shows the model's traffic in place.
export function drawFlow(place, model) {
  const picture = layout(model);
  const height = Math.max(60, ...picture.nodes.map((n) => n.y + n.height)) + 8;
  const labels = picture.nodes.map(label);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": inWords(model) },
    picture.bands.map(band), picture.nodes.map(box), labels);
  const heads = ["Senders", "Listeners", "Pools", "Connectors"];
  place.replaceChildren(h("div", { class: "flow-heads dim", "aria-hidden": "true" }, heads.map((head) => h("span", {}, head))), svg);
}

function layout(model) {
  const nodes = [], bands = [];
  const listeners = model.status.listeners.map((l) => ({ ...l, routes: (model.traffic?.routes ?? []).filter((r) => r.listener === l.name && model.pools.has(r.pool)) }));
  const order = model.poolsWorstFirst();
  const rank = (l) => Math.min(...l.routes.map((r) => order.findIndex((p) => p.name === r.pool)), order.length);
  listeners.sort((a, b) => rank(a) - rank(b)); // so that bands cross as little as may be
  const total = Math.max(sum(listeners.map((l) => sum(l.routes.map((r) => r.perSecond)))), model.sums.get("").messages);
  const scale = total > 0 ? mostBand / total : 0;
  const add = (column, name, words, value, kind) => {
    const above = nodes.filter((n) => n.column === column).at(-1);
    const node = { column, name, words, kind, value, x: columns[column], y: above ? above.y + above.height + gap : 4, height: Math.max(leastHeight, value * scale), out: 0, in: 0 };
    nodes.push(node);
    return node;
  };
  const join = (from, to, value) => bands.push({ from, to, value, width: value * scale });

  const senders = add(0, "senders", sessions(sum(listeners.map((l) => l.sessions))), total);
  const pools = new Map();
  for (const l of listeners) {
    const value = sum(l.routes.map((r) => r.perSecond));
    const node = add(1, l.name, `${rate(value)}/s · ${sessions(l.sessions)}`, value);
    join(senders, node, value);
    l.node = node;
  }
  for (const pool of order.slice(0, mostPools)) {
    const value = model.sums.get(pool.name)?.messages ?? 0;
    const node = add(2, pool.name, `${rate(value)}/s`, value, pool.eligible === 0 ? "bad" : null);
    pools.set(pool.name, node);
    for (const part of connectorsOf(model, pool.name)) join(node, add(3, part.name, part.words, part.value, part.state), part.value);
  }
  if (order.length > mostPools) {
    const rest = order.slice(mostPools);
    const node = add(2, `${count(rest.length)} more pools`, "", sum(rest.map((p) => model.sums.get(p.name)?.messages ?? 0)));
    for (const pool of rest) pools.set(pool.name, node);
  }
  for (const l of listeners) for (const r of l.routes) join(l.node, pools.get(r.pool), r.perSecond);
  return { nodes, bands: place(bands) };
}

// connectorsOf is the busiest connectors of a pool, those that are out, and the
// rest in one.
function connectorsOf(model, pool) {
  const rows = model.rowsOf(pool, () => true);
  const busiest = [...rows].sort((a, b) => b.perSecond - a.perSecond).slice(0, named);
  const out = rows.filter((row) => states[row.state]?.kind === "bad").slice(0, named);
  const shown = new Set(rows.length <= 2 * named ? rows : [...out, ...busiest]);
  const parts = [...shown].map((row) => ({ name: row.name, words: `${rate(row.perSecond)}/s` + (row.state === "up" ? "" : " · " + row.state), value: row.perSecond, state: row.state }));
  const rest = rows.filter((row) => !shown.has(row));
  if (rest.length) {
    const value = sum(rest.map((row) => row.perSecond));
    parts.push({ name: `${count(rest.length)} more`, words: `${rate(value)}/s`, value });
  }
  return parts;
}

// place stacks the bands at both their ends, in the middle of the nodes.
function place(bands) {
  const sides = (end) => {
    const widths = new Map();
    for (const b of bands) widths.set(b[end], (widths.get(b[end]) ?? 0) + b.width);
    return widths;
  };
  const leaving = sides("from"), coming = sides("to");
  for (const b of bands) {
    b.y1 = b.from.y + (b.from.height - leaving.get(b.from)) / 2 + b.from.out + b.width / 2;
    b.y2 = b.to.y + (b.to.height - coming.get(b.to)) / 2 + b.to.in + b.width / 2;
    b.from.out += b.width;
    b.to.in += b.width;
  }
  return bands;
}

function band(b) {
  const x1 = b.from.x + nodeWidth, x2 = b.to.x;
  const from = b.from.column < 3 ? x1 + labelRoom(b.from) : x1;
  const middle = (from + x2) / 2;
  const half = Math.max(b.width, 1) / 2;
  const [top1, top2, low1, low2] = [b.y1 - half, b.y2 - half, b.y1 + half, b.y2 + half].map((y) => y.toFixed(1));
  const above = `M${x1} ${top1}H${from}C${middle} ${top1} ${middle} ${top2} ${x2} ${top2}`;
  if (!(b.value > 0)) return s("path", { d: above, class: "band none" });
  return s("path", { d: `${above}V${low2}C${middle} ${low2} ${middle} ${low1} ${from} ${low1}H${x1}Z`, class: "band" });
}

// labelRoom is how far a band runs straight, beneath the label of its node.
const labelRoom = (node) => Math.min(110, 7 * Math.max(node.name.length, node.words.length));

const box = (n) => s("rect", { x: n.x, y: n.y.toFixed(1), width: nodeWidth, height: n.height.toFixed(1), rx: 2, class: "node " + (states[n.kind]?.kind ?? n.kind ?? "") });

function label(n) {
  const middle = n.y + n.height / 2;
  const tall = n.height > 34;
  const x = n.x + nodeWidth + 6;
  const sign = n.column === 3 && states[n.kind] ? shape(n.kind) : null;
  if (sign) for (const [name, value] of Object.entries({ x, y: (middle - (tall ? 14 : 5.5)).toFixed(1), width: 11, height: 11 })) sign.setAttribute(name, value);
  const at = sign ? x + 16 : x;
  const words = tall
    ? [s("text", { x: at, y: (middle - 4).toFixed(1) }, n.name), s("text", { x: at, y: (middle + 12).toFixed(1), class: "words" }, n.words)]
    : [s("text", { x: at, y: (middle + 4).toFixed(1) }, n.name + " ", s("tspan", { class: "words" }, n.words))];
  return s("g", {}, sign, words);
}

function inWords(model) {
  const pools = model.poolsWorstFirst().map((p) => `pool ${p.name} ${rate(model.sums.get(p.name)?.messages ?? 0)} messages a second`);
  return "Flow of mail: " + pools.join(", ");
}

const sum = (list) => list.reduce((a, b) => a + b, 0);
