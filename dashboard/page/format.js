// How numbers, times and states are written, the same everywhere.

import { s } from "./dom.js";

// The states, worst first, each with what it means and a shape of its own: colour
// is never the only sign.
export const states = {
  down: { rank: 0, kind: "bad", means: "probes fail" },
  ejected: { rank: 1, kind: "bad", means: "taken out by the breaker, tried again by itself" },
  disabled: { rank: 2, kind: "warn", means: "out at once, by an operator" },
  drain: { rank: 3, kind: "warn", means: "no new mail; what runs ends" },
  starting: { rank: 4, kind: "idle", means: "not judged yet" },
  recovering: { rank: 5, kind: "ok", means: "back, and given a growing share" },
  up: { rank: 6, kind: "ok", means: "takes mail" },
};

const shapes = {
  up: () => s("circle", { cx: 6, cy: 6, r: 4.5, class: "fill" }),
  recovering: () => [s("circle", { cx: 6, cy: 6, r: 4.2, class: "ring" }), s("path", { d: "M6 1.5a4.5 4.5 0 0 1 0 9z", class: "fill" })],
  starting: () => s("circle", { cx: 6, cy: 6, r: 4.2, class: "ring dotted" }),
  drain: () => s("path", { d: "M1.5 2.5h9L6 10.5z", class: "fill" }),
  disabled: () => s("rect", { x: 1.8, y: 1.8, width: 8.4, height: 8.4, class: "fill" }),
  ejected: () => s("path", { d: "M6 .8L11.2 6 6 11.2.8 6z", class: "fill" }),
  down: () => s("path", { d: "M2 2l8 8M10 2l-8 8", class: "cross" }),
  good: () => s("path", { d: "M1.5 6.5l3 3 6-7", class: "cross" }),
  thin: () => s("path", { d: "M6 1L11.5 11H.5z", class: "fill" }),
};

// shape is the sign of a state, of its colour; the word stands beside it.
export function shape(name) {
  const make = shapes[name] ?? shapes.starting;
  return s("svg", { viewBox: "0 0 12 12", class: "shape " + (states[name]?.kind ?? name), "aria-hidden": "true", focusable: "false" }, make());
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (n) => whole.format(n);

export const sessions = (n) => count(n) + (n === 1 ? " session" : " sessions");

// rate is messages a second: with a decimal where that still says something.
export function rate(perSecond) {
  if (perSecond < 0.005) return "0";
  if (perSecond < 0.1) return perSecond.toFixed(2);
  return perSecond < 100 ? perSecond.toFixed(1) : whole.format(perSecond);
}

// ms is a duration, given in milliseconds, with the digits that matter.
export function ms(n) {
  if (!n) return "–";
  if (n < 0.1) return n.toFixed(2) + " ms";
  if (n < 10) return n.toFixed(1) + " ms";
  if (n < 1000) return n.toFixed(0) + " ms";
  if (n < 60000) return (n / 1000).toFixed(1) + " s";
  return (n / 60000).toFixed(1) + " min";
}

// ago is how long something has lasted at now, both ms since 1970.
export function ago(then, now) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + pad(Math.floor((seconds % 3600) / 60));
  return Math.floor(seconds / 86400) + " days";
}

const pad = (n) => String(n).padStart(2, "0");

// clock is the time of day here; with a date when it is not today's.
export function clock(at) {
  const d = new Date(at);
  const time = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  const today = new Date();
  if (d.toDateString() === today.toDateString()) return time;
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${time}`;
}

// localTimes writes the UTC times in a sentence of weir's as those of this place.
export function localTimes(sentence) {
  return sentence.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (t) => clock(t));
}

export const capital = (sentence) => sentence.charAt(0).toUpperCase() + sentence.slice(1);

// quote makes one word for a shell.
export function quote(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'";
}
