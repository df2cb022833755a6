// What the page knows: the last full frame with every tick since, and what
// follows from it, rates above all. No element is touched here.

import { states } from "./format.js";

const rateOver = 5000; // ms that a rate is taken over
const historyFor = 300; // points of a chart
const fewRows = 200; // connectors that all have a history
const byName = new Intl.Collator("en", { numeric: true }).compare;
const countNames = ["inflight", "connections", "idle", "messages", "failures", "ambiguous"];

export class Model {
  constructor() {
    this.status = null; // as /v1/status, without pools
    this.words = { senders: [], person: [] };
    this.pools = new Map(); // name → pool, without its connectors
    this.rows = new Map(); // id → connector
    this.events = []; // newest first
    this.traffic = null;
    this.me = { who: "", role: "read" };
    this.at = 0; // the server's clock, ms
    this.boot = "";
    this.meters = new Map(); // name → Meter
    this.histories = new Map(); // name → History
  }

  // full begins anew. Rates go on across a lost connection, since the counters
  // did; another life of the process counts from zero.
  full(frame) {
    if (frame.boot !== this.boot) {
      this.meters.clear();
      this.measured = false;
      if (this.boot) this.histories.forEach((one) => one.gap(frame.at));
    }
    this.boot = frame.boot;
    this.at = frame.at;
    const { pools, ...head } = frame.status;
    this.status = head;
    this.words = frame.words;
    this.traffic = frame.traffic ?? null;
    this.events = [...frame.events].reverse();
    this.rows.clear();
    this.setPools(pools);
    for (const pool of pools) for (const row of pool.backends) this.setRow(row);
    this.measure();
  }

  tick(frame) {
    this.at = frame.at;
    if (frame.head) this.status = JSON.parse(JSON.stringify({ ...frame.head, pools: undefined }));
    if (frame.words) this.words = frame.words;
    if (frame.traffic) this.traffic = frame.traffic;
    for (const row of frame.rows ?? []) this.setRow(row);
    for (const id of frame.gone ?? []) this.rows.delete(id);
    if (frame.pools) this.setPools(frame.pools);
    this.change(frame.counts, (row, list) => countNames.forEach((name, i) => (row[name] = list[i])));
    this.change(frame.probes, (row, probe) => (row.probe = probe));
    this.change(frame.latencies, (row, all) => Object.assign(row, all));
    this.events = [...(frame.events ?? []).toReversed(), ...this.events].slice(0, 200);
    this.measure();
  }

  change(byID, apply) {
    for (const [id, value] of Object.entries(byID ?? {})) {
      const row = this.rows.get(id);
      if (row) apply(row, value);
    }
  }

  setPools(list) {
    this.pools = new Map(list.map(({ backends, ...pool }) => [pool.name, pool]));
  }

  setRow(row) {
    this.rows.set(row.id, { ...row, pool: row.id.slice(0, row.id.indexOf("/")), perSecond: 0, share: 0 });
  }

  // measure takes the counters' speed, connector by connector and in sums.
  measure() {
    const sums = new Map([["", { messages: 0, inflight: 0, failures: 0 }]]);
    for (const name of this.pools.keys()) sums.set(name, { messages: 0, inflight: 0, failures: 0 });
    for (const row of this.rows.values()) {
      row.perSecond = this.speed("m " + row.id, row.messages);
      row.failing = this.speed("f " + row.id, row.failures);
      this.note("row " + row.id, [row.perSecond, row.inflight], this.rows.size <= fewRows);
      for (const sum of [sums.get(""), sums.get(row.pool)]) {
        if (!sum) continue;
        sum.messages += row.perSecond;
        sum.failures += row.failing;
        sum.inflight += row.inflight;
      }
    }
    for (const row of this.rows.values()) {
      const all = sums.get(row.pool)?.messages ?? 0;
      row.share = all > 0 ? row.perSecond / all : 0;
    }
    this.sums = sums;
    for (const [name, sum] of sums) this.note("pool " + name, [sum.messages, sum.inflight, sum.failures], true);
    if (this.traffic) this.measureTraffic();
    this.measured = true;
    this.forget();
  }

  measureTraffic() {
    for (const route of this.traffic.routes) route.perSecond = this.speed(`r ${route.listener} ${route.pool}`, route.transactions);
    this.deferring = this.speed("deferred", this.traffic.deferred);
  }

  speed(name, counter) {
    let meter = this.meters.get(name);
    if (!meter) this.meters.set(name, (meter = new Meter()));
    return meter.add(this.at, counter);
  }

  // note keeps a point of a chart. Where there are many connectors, they have a
  // history from when their row is first opened (watch).
  note(name, values, always) {
    if (!this.measured) return; // of one reading nothing can be told
    let history = this.histories.get(name);
    if (!history && always) this.histories.set(name, (history = new History(values.length)));
    history?.add(this.at, values);
  }

  // watch is the history of a connector, kept from now on.
  watch(id) {
    const name = "row " + id;
    if (!this.histories.has(name)) this.histories.set(name, new History(2));
    return this.histories.get(name);
  }

  // forget drops what belongs to connectors that are gone.
  forget() {
    if (this.meters.size < 2 * this.rows.size + 100) return;
    for (const name of this.meters.keys()) if (/^[mf] /.test(name) && !this.rows.has(name.slice(2))) this.meters.delete(name);
  }

  // poolsWorstFirst: empty ones, then those that are thin, then those with a
  // connector out, then by name.
  poolsWorstFirst() {
    const out = new Map();
    for (const row of this.rows.values()) {
      const rank = states[row.state]?.rank ?? 4;
      out.set(row.pool, Math.min(out.get(row.pool) ?? 9, rank));
    }
    const badness = (p) => (p.eligible === 0 ? 0 : p.panic ? 1 : !p.redundant ? 2 : 3 + (out.get(p.name) ?? 9));
    return [...this.pools.values()].sort((a, b) => badness(a) - badness(b) || byName(a.name, b.name));
  }

  // rowsOf is the connectors of a pool that are wanted, worst first. Within a
  // state the order is that of names: rows that dance cannot be read.
  rowsOf(pool, wanted) {
    const list = [];
    for (const row of this.rows.values()) if (row.pool === pool && wanted(row)) list.push(row);
    const rank = (row) => states[row.state]?.rank ?? 4;
    return list.sort((a, b) => rank(a) - rank(b) || byName(a.name, b.name));
  }
}

// Meter makes a speed of a counter. One that went back began anew.
class Meter {
  constructor() {
    this.points = [];
  }

  add(at, value) {
    const points = this.points;
    const last = points.at(-1);
    if (last && value < last[1]) points.length = 0;
    if (last && last[0] === at) points.pop();
    points.push([at, value]);
    while (points.length > 2 && points[1][0] <= at - rateOver) points.shift();
    const [from, first] = points[0];
    return at > from ? ((value - first) * 1000) / (at - from) : 0;
  }
}

// History is the points of a chart: a list of times in s, and a list a line.
class History {
  constructor(lines) {
    this.data = Array.from({ length: lines + 1 }, () => []);
  }

  add(at, values) {
    const time = Math.round(at / 1000);
    if (this.data[0].at(-1) === time) return;
    [time, ...values].forEach((value, i) => {
      this.data[i].push(value);
      if (this.data[i].length > historyFor) this.data[i].shift();
    });
  }

  // gap parts two lives of the process by a hole in the line.
  gap(at) {
    this.add(at - 1000, this.data.slice(1).map(() => null));
  }
}
