// The page: it joins the stream, the model and the parts that show it.

import { Orders } from "./actions.js";
import { $, arrange, attribute, h, text } from "./dom.js";
import { Feed, post } from "./feed.js";
import { Figures } from "./figures.js";
import { drawFlow } from "./flow.js";
import { capital, clock, count, localTimes, shape, states } from "./format.js";
import { Model } from "./model.js";
import { Side } from "./side.js";
import { PoolTable } from "./table.js";

const model = new Model();
const orders = new Orders();
const side = new Side($("side"));
const figures = new Figures($("figures"));
const tables = new Map(); // pool → PoolTable
const page = { model, opened: new Map(), order: (row, verb) => model.me.role === "operate" && !lost && orders.ask(row, verb) };
const filter = { text: "", state: "" };
let lost = 0; // since when the connection is; 0: it is there

const feed = new Feed({
  full: (frame) => { model.full(frame); show(); },
  tick: (frame) => { model.tick(frame); show(); },
  me: (me) => { model.me = me; who(); },
  live: () => link(0),
  lost: (since) => link(since),
  login: () => login(),
  refused: (why) => { if (!lost) link(feed.last || Date.now()); text($("link"), why); },
});

// show brings everything up to date. It runs once a frame, and not for what is
// not seen.
let due = false;
function show() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    document.body.classList.remove("waiting");
    verdict();
    figures.update(model);
    pools();
    drawFlow($("flow"), model);
    side.update(model);
    text($("instance"), model.status.version);
  });
}

function verdict() {
  const { senders, person } = model.words;
  const flows = senders[0] === "mail flows";
  const served = model.status.ready && [...model.pools.values()].every((pool) => pool.eligible > 0);
  const kind = flows ? "ok" : served ? "warn" : "bad";
  const words = senders.map(localTimes).map((sentence) => (model.pools.has(sentence.split(": ")[0]) ? sentence : capital(sentence))); // names stay as they are
  const key = kind + words.join("\n");
  const place = $("verdict");
  if (place.dataset.key !== key) {
    place.dataset.key = key;
    place.replaceChildren(h("h1", { class: kind }, sign({ ok: "good", warn: "thin", bad: "down" }[kind], kind), words[0]), ...words.slice(1).map((more) => h("p", { class: "more" }, more)));
    document.title = words[0] + " · weir";
    text($("announced"), words.map((sentence) => sentence.replace(/\d+ messages? deferred/, "messages deferred")).join("; ")); // not each one
  }
  const list = $("person").querySelector("ul");
  $("person").hidden = person.length === 0 && !model.status.standby;
  const items = [...person, ...(model.status.standby ? ["this replica is in standby: it serves, and wants no new senders"] : [])].map(localTimes).map(capital);
  if (list.dataset.key !== items.join("\n")) {
    list.dataset.key = items.join("\n");
    list.replaceChildren(...items.map((item) => h("li", {}, sign("thin", "warn"), item)));
  }
}

function sign(name, kind) {
  const made = shape(name);
  made.classList.add(kind);
  return made;
}

// pools shows each pool with those of its connectors that are looked for. A pool
// without any is left out while there is a search.
function pools() {
  filters();
  const looking = Boolean(filter.text || filter.state);
  const shown = [];
  let found = 0;
  for (const pool of model.poolsWorstFirst()) {
    const rows = model.rowsOf(pool.name, wanted);
    found += rows.length;
    if (looking && rows.length === 0) continue;
    let table = tables.get(pool.name);
    if (!table) tables.set(pool.name, (table = new PoolTable(pool.name, page)));
    shown.push([table, pool, rows]);
  }
  for (const [name, table] of tables) {
    if (model.pools.has(name)) continue;
    table.close();
    tables.delete(name);
  }
  arrange($("pools"), shown.map(([table]) => table.element));
  for (const [table, pool, rows] of shown) table.update(pool, rows);
  text($("shown"), looking ? `${count(found)} of ${count(model.rows.size)} connectors` : "");
}

function wanted(row) {
  if (filter.state === "out" ? states[row.state]?.kind === "ok" : filter.state && row.state !== filter.state) return false;
  if (!filter.text) return true;
  const words = `${row.id} ${row.address} ${row.state} ${row.reason} ${row.sources.join(" ")}`.toLowerCase();
  return filter.text.toLowerCase().split(/\s+/).every((word) => words.includes(word));
}

// filters are buttons for the states that there are, with how many have them.
const buttons = new Map();
function filters() {
  const counts = new Map([["", model.rows.size], ["out", 0]]);
  for (const name of Object.keys(states)) counts.set(name, 0);
  for (const row of model.rows.values()) {
    counts.set(row.state, (counts.get(row.state) ?? 0) + 1);
    if (states[row.state]?.kind !== "ok") counts.set("out", counts.get("out") + 1);
  }
  const shown = [...counts].filter(([name, n]) => name === "" || n > 0 || name === filter.state);
  for (const [name] of shown) if (!buttons.has(name)) buttons.set(name, filterButton(name));
  for (const [name, n] of shown) {
    const button = buttons.get(name);
    text(button.lastChild, count(n));
    attribute(button, "aria-pressed", String(filter.state === name));
  }
  arrange($("filters"), shown.map(([name]) => buttons.get(name)));
}

function filterButton(name) {
  const pick = () => { filter.state = filter.state === name ? "" : name; remember(); pools(); };
  return h("button", { type: "button", class: "chip", "data-state": name || "all", onclick: pick },
    states[name] && shape(name), { "": "all", out: "not taking mail" }[name] ?? name, h("span", { class: "dim" }));
}

// remember keeps what is looked for in the address, so that it can be passed on.
function remember() {
  const words = new URLSearchParams(Object.entries({ q: filter.text, state: filter.state }).filter(([, value]) => value));
  history.replaceState(null, "", words.size ? "#" + words : location.pathname + location.search);
}

function recall() {
  const words = new URLSearchParams(location.hash.slice(1));
  $("search").value = filter.text = words.get("q") ?? "";
  filter.state = words.get("state") ?? "";
}

// link is honest about the connection.
function link(since) {
  lost = since;
  document.body.classList.toggle("stale", Boolean(since));
  const place = $("link");
  place.classList.toggle("live", !since);
  place.classList.toggle("bad", Boolean(since));
  text(place, since ? `stale since ${clock(since)}, connecting again` : "live");
}

function who() {
  const { who: name, role } = model.me;
  const known = name !== "anonymous";
  text($("who"), (known ? name : "") + (role === "read" ? (known ? ", may only look" : "may only look") : ""));
  $("logout").hidden = !known;
}

// login asks for a token when this weir wants one.
function login() {
  link(feed.last || Date.now());
  text($("link"), "not logged in");
  if (!$("login").open) $("login").showModal();
}

$("login").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { ok, body } = await post("v1/login", { token: $("login-token").value.trim() });
  const refusal = $("login-refusal");
  refusal.hidden = ok;
  text(refusal, ok ? "" : capital(body.error));
  if (!ok) return;
  $("login-token").value = "";
  $("login").close();
  feed.unblock();
});
$("login").addEventListener("cancel", (event) => event.preventDefault());
$("logout").addEventListener("click", async () => {
  await post("v1/logout");
  location.reload();
});

$("search").addEventListener("input", () => { filter.text = $("search").value.trim(); remember(); if (model.status) pools(); });
$("search").form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => { recall(); if (model.status) pools(); });
$("help-open").addEventListener("click", () => $("help").showModal());
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && event.target === $("search")) {
    $("search").value = filter.text = "";
    remember();
    pools();
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "/") $("search").focus();
  else if (event.key === "?") $("help").showModal();
  else return;
  event.preventDefault();
});
addEventListener("resize", () => model.status && show());

$("legend").append(...Object.entries(states).reverse().flatMap(([name, { means }]) => [h("dt", {}, shape(name), " ", name), h("dd", {}, means)]));
recall();
