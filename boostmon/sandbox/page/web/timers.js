// The demo's panel of timers: the rows of the selected member, and the event log as it grows.

import { amount, clock, everyTick, moment, shown } from "./clock.js";
import { demo } from "./demo.js";
import { byId, fill, h } from "./dom.js";
import { inline } from "./markdown.js";
import { face, nameOf, roleChip, standing } from "./names.js";
import { store } from "./store.js";

const MOMENTS = new Set(["expires_at", "paused_at", "next_due_at", "created_at", "updated_at"]);
const KINDS = {
  TimerSet: "good", TimeAdded: "good", Resumed: "good", TimeRemoved: "warn", WarningSent: "warn", Paused: "warn", Expired: "bad", Cleared: "bad",
};

const BEGINS = new Set(["TimerSet", "TimeAdded", "TimeRemoved", "Paused", "Resumed"]);

export function showTimers() {
  store.on("rows log selected people roles", drawRows);
  store.on("log roles people", drawLog);
  store.on("effects roles", drawEffects);
  everyTick(drawBars);
}

const roleOf = (id) => store.guild?.roles.get(id) ?? { id, name: "deleted role", color: 0 };

function drawRows() {
  const id = store.selected;
  const rows = id ? demo.rowsOf(id) : [];
  byId("row-who").replaceChildren(...(id ? [face(id, "small"), h("b", {}, nameOf(id)), ` ${standing(id)}`] : ["Choose a member on the right, or run a command."]));
  byId("no-rows").hidden = !id || rows.length > 0;
  fill(byId("rows"), rows, (row) => row.role_id, (row) => `${JSON.stringify(row)} ${begun(row)} ${roleOf(row.role_id).name} ${roleOf(row.role_id).color}`, drawRow);
  drawBars();
}

function drawRow(row) {
  const open = document.querySelector(`[data-role="${row.role_id}"] details`)?.open;
  return h(
    "li",
    { class: `timer${row.paused ? " paused" : ""}`, data: { role: row.role_id } },
    h("p", { class: "timer-head" }, roleChip(roleOf(row.role_id)), h("span", { class: "timer-left" }, row.paused ? `paused, ${amount(Number(row.paused_remaining_ms))} left` : moment(Number(row.expires_at), "left"))),
    h("div", { class: "bar", "aria-hidden": "true", data: { until: row.expires_at, from: begun(row), paused: row.paused ? "1" : "" } }, h("i")),
    h("p", { class: "timer-note" }, row.paused ? "The countdown stands still." : ["ends ", moment(Number(row.expires_at), "f")], warned(row)),
    h("details", { open: open ?? false }, h("summary", {}, "The row in role_timers"), h("dl", { class: "columns" }, Object.entries(row).map(([name, value]) => column(name, value)))),
  );
}

/** Say since when a timer counts as it does; a warning changes its row, not its countdown. */
function begun(row) {
  const event = demo.log.findLast((one) => one.user_id === row.user_id && one.role_id === row.role_id && BEGINS.has(one.type));
  if (event) return event.data.at ?? row.updated_at;
  return Object.keys(row.warnings_sent ?? {}).length ? row.created_at : row.updated_at;
}

function warned(row) {
  const minutes = Object.keys(row.warnings_sent ?? {});
  return minutes.length ? ` · warned at ${minutes.sort((a, b) => b - a).join(", ")} min` : null;
}

function column(name, value) {
  const told = value === null ? "NULL" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const when = MOMENTS.has(name) && Number(value) ? [" ", h("small", {}, moment(Number(value), "R"))] : null;
  return h("div", {}, h("dt", {}, name), h("dd", {}, told, when));
}

/** Let the bars of running timers shrink. */
function drawBars() {
  for (const bar of byId("rows").querySelectorAll(".bar")) {
    const { until, from, paused } = bar.dataset;
    const whole = Math.max(1, Number(until) - Number(from));
    const left = paused ? 1 : Math.min(1, Math.max(0, (Number(until) - clock.now()) / whole));
    bar.firstElementChild.style.setProperty("--left", left.toFixed(3));
  }
}

function drawLog() {
  const events = demo.log.toReversed();
  byId("no-log").hidden = events.length > 0;
  fill(byId("log"), events, (one) => one.position, signEvent, drawEvent);
}

const byWhom = (event) => (event.actor_id ? nameOf(event.actor_id) : event.source);
const signEvent = (event) => `${nameOf(event.user_id)} ${roleOf(event.role_id).name} ${byWhom(event)}`;

function drawEvent(event) {
  return h(
    "li",
    {},
    h(
      "details",
      {},
      h(
        "summary",
        {},
        h("span", { class: "position" }, `#${event.position}`),
        h("span", { class: `type ${KINDS[event.type] ?? ""}` }, event.type),
        h("span", { class: "of" }, nameOf(event.user_id), " · ", roleOf(event.role_id).name),
        h("small", {}, "by ", byWhom(event), " · ", moment(event.data.at ?? shown(event.recorded_at), "R")),
      ),
      h("pre", { tabindex: "0", "aria-label": `Data of event ${event.position}` }, JSON.stringify({ version: event.version, data: event.data, source: event.source }, null, 1)),
    ),
  );
}

function drawEffects() {
  const { waiting, stuck } = demo.effects;
  const box = byId("effects");
  box.hidden = !waiting && !stuck.length;
  box.classList.toggle("stuck", stuck.length > 0);
  const lines = stuck.map((one) => h("li", {}, h("b", {}, "Stuck: "), `${KIND_WORDS[one.kind] ?? one.kind} of ${nameOf(one.user_id)}, ${roleOf(one.role_id).name}. `, h("small", {}, inline(one.last_error ?? ""))));
  box.replaceChildren(...(waiting ? [h("li", {}, waiting === 1 ? "One thing is still owed to Discord." : `${waiting} things are still owed to Discord.`)] : []), ...lines);
}

const KIND_WORDS = { give_role: "giving the role", take_role: "taking the role", notice: "a notice" };
