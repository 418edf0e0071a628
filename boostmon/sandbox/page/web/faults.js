// What goes wrong with Discord's answers, its events and its audit log: armed, listed, stopped.

import { post, sim } from "./connection.js";
import { byId, fill, h } from "./dom.js";
import { store } from "./store.js";

const ROUTES = {
  roles: { method: "*", path: "/guilds/{guild_id}/members/{user_id}/roles/{role_id}" },
  members: { method: "GET", path: "/guilds/{guild_id}/members/{user_id}" },
  messages: { method: "POST", path: "/channels/{channel_id}/messages" },
  dms: { method: "POST", path: "/users/@me/channels" },
  replies: { method: "*", path: "/webhooks/*" },
  everything: { method: "*", path: "*" },
};
const WAYS = {
  500: { status: 500 },
  502: { status: 502 },
  429: { status: 429 },
  slow: { hang: 5 },
  cut: { reset: true },
  late: { hang: 14, effect: 12 },
  old: { hang: 5, when: "after" },
  date: { date: 7200 },
};
const EVENTS = {
  "role changes": "GUILD_MEMBER_UPDATE",
  joining: "GUILD_MEMBER_ADD",
  "audit log": "GUILD_AUDIT_LOG_ENTRY_CREATE",
  "members asked for": "GUILD_MEMBERS_CHUNK",
  commands: "INTERACTION_CREATE",
  "all events": "*",
};
const ENTRIES = "entries";
const SECONDS = 5;
const MEMBER_ROLES = 25;
const armedHere = new Set();
const DONE = { lose: "lost", delay: "late", double: "twice" };

export function showFaults() {
  store.on("faults", draw);
  byId("event-name").addEventListener("change", offerWays);
}

export const armFault = () => {
  const fault = { ...ROUTES[byId("fault-route").value], ...WAYS[byId("fault-way").value] };
  return sim("fault", { ...fault, times: times("fault-times") });
};

export const armEvents = async () => {
  const [name, action] = [byId("event-name").value, byId("event-way").value];
  if (name === ENTRIES) {
    return sim("fault", { audit_log: action, action_type: MEMBER_ROLES, seconds: SECONDS, times: times("event-times") });
  }
  const seconds = action === "lose" ? 0 : SECONDS;
  const fault = await sim("gateway", { action, event: EVENTS[name], seconds, times: times("event-times") });
  armedHere.add(fault.id);
};

/** Return how often, from a list in which 0 is until it is stopped. */
const times = (id) => Number(byId(id).value) || null;

/** An entry of the audit log is lost or late, and never doubled. */
function offerWays() {
  const ways = byId("event-way");
  const double = [...ways.options].find((one) => one.value === "double");
  double.disabled = byId("event-name").value === ENTRIES;
  if (double.disabled && double.selected) ways.value = "lose";
}

/** Whether a fault is not used up; one of events has a count for each session. */
function left(one) {
  const counts = Object.values(one.sessions ?? { all: one.used });
  return one.times === null || counts.length === 0 || counts.some((used) => used < one.times);
}

/** Disarm what was started here and is used up: it would begin again in the next session. */
function disarmUsedUp() {
  for (const one of store.faults) if (!left(one) && armedHere.delete(one.id)) post(`/_sim/fault?id=${one.id}`, undefined, "DELETE").catch(() => {});
}

function draw() {
  disarmUsedUp();
  const armed = store.faults.filter(left);
  byId("no-faults").hidden = armed.length > 0;
  fill(byId("faults"), armed, (one) => one.id, (one) => String(one.used), drawOne);
}

function drawOne(one) {
  const [what, way] = described(one);
  const count = one.times === null ? `${one.used} so far` : `${one.used} of ${one.times}`;
  const remove = () => post(`/_sim/fault?id=${one.id}`, undefined, "DELETE");
  return h("li", {}, h("span", {}, h("b", {}, what), ` ${way} · ${count}`), h("button", { type: "button", class: "button plain small", on: { click: remove }, "aria-label": `Stop this: ${what} ${way}` }, "Stop"));
}

/** Say what goes wrong, and how. */
function described(one) {
  const late = (action) => (action === "delay" ? `${one.seconds} s late` : DONE[action]);
  if (one.audit_log) return [named("event-name", ENTRIES), late(one.audit_log)];
  const event = Object.keys(EVENTS).find((name) => EVENTS[name] === one.event);
  if (one.event) return [event ? named("event-name", event) : one.event, late(one.action)];
  const route = Object.keys(ROUTES).find((name) => ROUTES[name].path === one.path);
  return [route ? named("fault-route", route) : one.path, wayOf(one)];
}

/** Return what a list calls one of its values. */
const named = (id, value) => [...byId(id).options].find((one) => one.value === value).text;

function wayOf(one) {
  if (one.effect !== null) return one.effect === "never" ? "never done" : `done ${one.effect} s later`;
  if (one.reset) return "cut off";
  if (one.status ?? one.code) return `answered with ${one.status ?? one.code}`;
  if (one.hang) return one.when === "after" ? `with the answer of ${one.hang} s ago` : `${one.hang} s late`;
  return one.date === "missing" ? "without a date" : `dated ${one.date / 3600} h ahead`;
}
