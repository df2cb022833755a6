// What stands beside the pools: what happened, DNS, discovery, Consul, replicas,
// listeners.

import { attribute, h, text } from "./dom.js";
import { ago, capital, clock, count, localTimes, sessions, shape, states } from "./format.js";

const shownEvents = 40;

// Side keeps its parts, and makes each anew only when what it shows has changed.
export class Side {
  constructor(place) {
    this.parts = ["Timeline", "DNS", "Discovery", "Replicas", "Listeners"].map((title) => new Part(title));
    place.append(...this.parts.map((part) => part.element));
  }

  update(model) {
    const { status } = model;
    const [timeline, dns, discovery, replicas, listeners] = this.parts;
    timeline.show(model.events.slice(0, shownEvents), (list) => h("ol", { class: "timeline" }, list.map(happened)), "Nothing has happened yet.");
    dns.show(status.dns ?? [], (zones) => zones.map(zone));
    discovery.show(status.discovery ?? [], (sources) => h("ul", { class: "plain" }, sources.map((one) => source(one))));
    replicas.show({ consul: status.consul?.address ? status.consul : null, replicas: status.replicas ?? [] }, ({ consul, replicas: list }) => [
      h("ul", { class: "plain" }, list.map(replica)), consul && consulState(consul)], "", (all) => all.replicas.length > 1 || all.consul);
    listeners.show(status.listeners, (list) => h("ul", { class: "plain" }, list.map(listener)));
    for (const place of document.querySelectorAll("[data-ago]")) text(place, ago(Number(place.dataset.ago), model.at) + " ago");
  }
}

class Part {
  constructor(title) {
    const id = "side-" + title.toLowerCase();
    const long = title === "Timeline"; // scrolls, so it must be reached without a mouse
    this.inside = h("div", { class: "inside" + (long ? " long" : ""), tabindex: long && "0", role: long && "group", "aria-labelledby": long && id });
    this.element = h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), this.inside);
  }

  show(value, make, none = "", wanted = (list) => list.length > 0) {
    const key = JSON.stringify(value);
    if (key === this.key) return;
    this.key = key;
    attribute(this.element, "hidden", !wanted(value) && !none);
    const made = wanted(value) ? [make(value)].flat() : [h("p", { class: "dim" }, none)];
    this.inside.replaceChildren(...made.filter(Boolean));
  }
}

function happened(e) {
  const who = e.backend ? `${e.pool}/${e.backend}` : e.pool || e.kind;
  const sign = states[e.to] ? shape(e.to) : kind({ redundant: "good", "not-redundant": "thin", empty: "thin", stale: "thin", holding: "thin", fresh: "good" }[e.to] ?? "note");
  const why = [localTimes(e.why ?? ""), e.by && e.kind !== "discovery" && !["probe", "traffic", "comparison", "weir"].includes(e.by) && "by " + e.by].filter(Boolean).join(" · ");
  return h("li", {}, h("time", { datetime: e.time, class: "dim" }, clock(e.time)), h("span", { class: "sign" }, sign),
    h("div", {}, h("b", {}, who), e.to ? ` ${e.from ? e.from + " → " : ""}${e.to}` : "", why && h("span", { class: "dim why" }, why)));
}

function zone(z) {
  const state = z.frozen ? (z.frozen.released ? "released" : "frozen") : z.last_error ? "failing" : z.dry_run ? "dry run" : z.lag_seconds > 0 ? "behind" : "as it should be";
  const sign = z.last_error ? "thin" : z.frozen || z.lag_seconds > 0 ? "drain" : "good";
  const facts = [z.mode, z.leader ? "written here" : "written by another replica", z.serial && "serial " + z.serial, z.lag_seconds > 0 && `behind for ${Math.round(z.lag_seconds)} s`];
  return h("div", { class: "zone" }, line(sign, z.zone, state),
    h("p", { class: "dim" }, facts.filter(Boolean).join(" · ")),
    z.frozen && h("p", {}, `${capital(state)} since ${clock(z.frozen.since)} by ${z.frozen.by}`, z.frozen.reason && ": " + z.frozen.reason),
    z.last_error && h("p", { class: "failed" }, z.last_error),
    z.sets.map(recordSet));
}

// recordSet shows what is published against what is desired, record by record.
function recordSet(set) {
  const all = [...new Set([...set.published, ...set.desired])].sort();
  const lines = all.map((record) => {
    const published = set.published.includes(record), desired = set.desired.includes(record);
    const [mark, word] = published && desired ? ["=", "published"] : desired ? ["+", "to be added"] : ["−", "to be withdrawn"];
    const held = set.held.find((one) => one.record && record.includes(one.record));
    return h("li", { class: published && desired ? null : "changing" }, h("span", { class: "mark", "aria-hidden": "true" }, mark), " ", h("code", {}, record), " ",
      h("span", { class: published && desired ? "hidden" : "dim" }, word), " ", held && hold(held));
  });
  const loose = set.held.filter((one) => !all.some((record) => one.record && record.includes(one.record)));
  return h("details", { open: set.published.join() !== set.desired.join() || set.held.length > 0 },
    h("summary", {}, h("code", {}, set.name), ` ${set.type} `, h("span", { class: "dim" }, `${set.published.length} published, ${set.desired.length} desired`)),
    h("ul", { class: "records" }, lines, loose.map((one) => h("li", {}, h("code", {}, one.record || "the set"), " ", hold(one)))));
}

const hold = (one) => h("span", { class: "dim why" }, "held: " + one.why + (one.until ? ", until " + clock(one.until) : ""));

function source(one) {
  const bad = one.state === "stale" || one.state === "holding";
  const words = [one.state + (one.until ? " until " + clock(one.until) : ""), one.from_disk && "read from disk", one.why];
  return h("li", {}, line(bad ? "thin" : one.state === "fresh" ? "good" : "starting", `${one.source} → ${one.pool}`, count(one.connectors) + (one.connectors === 1 ? " connector" : " connectors")),
    h("p", { class: "dim" }, words.filter(Boolean).join(" · "), " since ", clock(one.since)));
}

function replica(one) {
  const words = [one.self && "this one", one.leader && "leader", one.standby && "standby", !one.self && (one.agrees ? "agrees" : "disagrees")].filter(Boolean).join(" · ");
  return h("li", {}, line(one.agrees || one.self ? "good" : "thin", one.name, words),
    h("p", { class: "dim" }, one.version, " · seen ", h("span", { "data-ago": Date.parse(one.seen) })));
}

function consulState(consul) {
  const words = [consul.reachable ? "reachable" : "not reachable", consul.registered ? "" : "this replica is not registered", consul.error];
  return h("div", {}, line(consul.reachable ? "good" : "thin", "Consul", consul.address), h("p", { class: "dim" }, words.filter(Boolean).join(" · ")),
    consul.unshared?.length > 0 && h("p", {}, "Not shared: " + consul.unshared.join(", ")));
}

function listener(one) {
  return h("li", {}, line("listener", one.name, one.address), h("p", { class: "dim" }, sessions(one.sessions), one.limit ? `, ${count(one.limit)} at most` : ""));
}

function line(sign, name, words) {
  return h("p", { class: "item" }, h("span", { class: "sign" }, sign === "listener" ? null : kind(sign)), h("b", {}, name), h("span", { class: "dim end" }, words));
}

function kind(sign) {
  const made = shape(sign);
  made.classList.add({ thin: "warn", good: "ok" }[sign] ?? "idle");
  return made;
}
