// What the demo tells beyond the sandbox: its clock, the event log, the rows, the bot. Without it: nothing.

import { note, setClock } from "./clock.js";
import { aboutDemo, followDemo, post } from "./connection.js";
import { store } from "./store.js";

const MOST_EVENTS = 200;

export const demo = {
  there: false,
  title: "",
  clock: null,
  log: [],
  rows: new Map(),
  bot: "running",
  effects: { waiting: 0, stuck: [] },
  /** Rows of one member. */
  rowsOf: (userId) => [...demo.rows.values()].filter((row) => row.user_id === userId),
};

/** Follow the demo that the sandbox has beside it; once. */
export async function findDemo() {
  if (demo.there) return;
  demo.there = true;
  const about = await aboutDemo().catch(() => null);
  demo.there = about !== null;
  if (!about) return;
  demo.title = about.title;
  followDemo((name, data) => HEARD[name]?.(data));
  store.touch("demo");
}

const HEARD = {
  open() {
    demo.rows.clear();
    store.touch("rows");
  },
  clock(data) {
    demo.clock = data;
    setClock(data);
    store.touch("clock");
  },
  log(event) {
    if (demo.log.length && demo.log.at(-1).position >= event.position) demo.log = [];
    demo.log.push(event);
    if (demo.log.length > MOST_EVENTS) demo.log.shift();
    if (!store.selectedByHand && event.source === "slash") store.select(event.user_id, false);
    if (note(event.recorded_at, event.data.at ?? event.recorded_at)) store.touch("past");
    store.touch("log");
  },
  row({ user_id, role_id, row }) {
    const key = `${user_id}:${role_id}`;
    if (row) demo.rows.set(key, row);
    else demo.rows.delete(key);
    store.touch("rows");
  },
  bot({ state }) {
    demo.bot = state;
    store.touch("bot");
  },
  effects(data) {
    demo.effects = data;
    store.touch("effects");
  },
};

export const setDemoClock = (body) => post("/_demo/clock", body);
export const setDemoBot = (what) => post("/_demo/bot", { do: what });
