// Time as the page shows it: the demo's timer time, or the machine's where there is no demo.

import { h, write } from "./dom.js";

const KEPT = 200;
const UNITS = [["year", 31536e6], ["month", 2592e6], ["day", 864e5], ["hour", 36e5], ["minute", 6e4], ["second", 1e3]];
const STYLES = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" },
};
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const formats = new Map();

/** The clock's course: at machine time `real` it showed `now` and ran at `speed` from then on. */
let course = [];

/** What the log tells of the time before: at machine time `real` it was `now`. */
let past = [];

export const clock = {
  get speed() {
    return course.at(-1)?.speed ?? 1;
  },
  now: () => shown(Date.now()),
};

/** Take in what the demo says of its clock. */
export function setClock({ real, now, speed }) {
  course.push({ real, now, speed });
  if (course.length > KEPT) course.shift();
  tick();
}

/** Say what the clock showed at a moment of the machine. */
export function shown(moment) {
  if (!course.length) return moment;
  const at = course.findLast((one) => one.real <= moment);
  return at ? at.now + (moment - at.real) * at.speed : between(moment);
}

/** Take in that something was done at machine time `real` and clock time `now`. */
export function note(real, now) {
  const isPast = !course.length || real < course[0].real;
  if (isPast) past = [...past.slice(-KEPT), { real, now }];
  return isPast;
}

/** Say what the clock showed before this page looked at it. */
function between(moment) {
  const points = [...past, course[0]];
  const before = points.findLast((one) => one.real <= moment);
  const after = points.find((one) => one.real > moment);
  if (!before) return after.now - (after.real - moment);
  const pace = after ? (after.now - before.now) / (after.real - before.real) : 1;
  return before.now + (moment - before.real) * pace;
}

export function absolute(moment, style = "f") {
  if (!formats.has(style)) formats.set(style, new Intl.DateTimeFormat("en-GB", STYLES[style] ?? STYLES.f));
  return formats.get(style).format(moment);
}

export function ago(moment, now = clock.now()) {
  const away = moment - now;
  const [unit, size] = UNITS.find(([, ms]) => Math.abs(away) >= ms) ?? UNITS.at(-1);
  return relative.format(Math.round(away / size), unit);
}

/** Write an amount of time in short: 1h 05m, 42s. */
export function amount(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [d, hours, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value) => String(value).padStart(2, "0");
  if (d) return `${d}d ${hours}h`;
  if (hours) return `${hours}h ${two(m)}m`;
  return m ? `${m}m ${two(s)}s` : `${s}s`;
}

const DRAWN = {
  R: (at) => ago(at),
  left: (at) => amount(at - clock.now()),
};

/** A moment that is written anew as time passes; `style` is Discord's, or "left". */
export function moment(at, style = "f") {
  const draw = DRAWN[style];
  const element = h("time", { datetime: iso(at), title: absolute(at, "F") }, draw ? draw(at) : absolute(at, style));
  if (draw) Object.assign(element.dataset, { at, style });
  return element;
}

const iso = (at) => (Number.isFinite(at) && Math.abs(at) < 8.64e15 ? new Date(at).toISOString() : undefined);

const watching = new Set();

/** Call `draw` four times a second. */
export const everyTick = (draw) => watching.add(draw);

/** Write all moments anew. */
function tick() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("time[data-at]")) {
    write(element, DRAWN[element.dataset.style](Number(element.dataset.at)));
  }
}

setInterval(tick, 1000);
setInterval(() => document.hidden || watching.forEach((draw) => draw()), 250);
