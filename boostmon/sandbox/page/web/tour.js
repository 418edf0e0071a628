// The line of what to try first. In the demo it goes on as the log shows what was done; then it is gone.

import { compose } from "./composer.js";
import { demo, setDemoClock } from "./demo.js";
import { byId, h } from "./dom.js";
import { nameOf, standing } from "./names.js";
import { recall, remember } from "./preferences.js";
import { commands } from "./suggestions.js";
import { store } from "./store.js";

const STEPS = [
  { until: ["TimerSet"], text: "Type /settime and give somebody a role for an hour.", command: "settime", texts: { user: "max", role: "VIP", duration: "1h", channel: "general" } },
  { until: ["TimeAdded"], text: "The countdown runs beside their name. Let it last longer with /addtime.", command: "addtime", texts: { user: "max", duration: "30m" } },
  { until: ["Paused"], text: "Stop the countdown with /pausetime; they keep the role.", command: "pausetime", texts: { user: "max" } },
  { until: ["Resumed"], text: "Let it go on with /resumetime.", command: "resumetime", texts: { user: "max" } },
  { until: ["Expired"], text: "Now let time pass: a warning comes, then the role goes. Skip to what is due next, again and again.", skip: true },
  { until: [], text: "That was a whole life of a timer. Act as somebody else, or make trouble: the panel on the right has ways." },
];

let step = 0;
let since = null;
let done = recall("welcomed") === true;

export function showTour() {
  store.on("me bots place demo last log", draw);
  byId("tour-close").addEventListener("click", end);
}

function end() {
  done = true;
  remember("welcomed", true);
  draw();
}

/** Go on when the log has what this step waits for, from the time this page looks on. */
function advance() {
  since ??= demo.log.at(-1)?.position ?? 0;
  const fresh = demo.log.filter((one) => one.position > since);
  for (const event of fresh) {
    const mine = !STEPS[step].command || store.last?.name === STEPS[step].command;
    if (mine && STEPS[step].until.includes(event.type)) step += 1;
    since = event.position;
  }
}

function draw() {
  const connected = [...store.bots.values()].some((one) => one.connected);
  if (demo.there) advance();
  byId("tour").hidden = done || !store.ready || !connected || !store.me || (!demo.there && Boolean(store.last));
  if (byId("tour").hidden) return;
  const who = `You are ${nameOf(store.me)} (${standing(store.me)}). `;
  const now = STEPS[step];
  if (!demo.there) {
    const first = commands().find((one) => !one.why);
    byId("tour-text").replaceChildren(who, first ? `Type /${first.name}, or / to see every command.` : "Type / to see the commands.");
    return;
  }
  byId("tour-text").replaceChildren(step === 0 ? who : "", now.text, " ", button(now) ?? "");
  byId("tour-dots").replaceChildren(...STEPS.map((_, index) => h("i", { class: index < step ? "done" : index === step ? "now" : null })));
}

/** Say whom a step is for: whom the one before was about, if their timer is still there; else the last who got one. */
function whom() {
  const lasts = (event) => demo.rowsOf(event.user_id).some((row) => row.role_id === event.role_id);
  const last = (types) => demo.log.findLast((one) => types.includes(one.type) && lasts(one));
  const found = step && (last(STEPS[step - 1].until) ?? last(["TimerSet"]));
  if (!found) return {};
  const several = demo.rowsOf(found.user_id).length > 1;
  return { user: found.user_id, ...(several ? { role: found.role_id } : {}) };
}

function button(now) {
  if (now.command) return h("button", { type: "button", class: "link", on: { click: () => compose(now.command, { ...now.texts, ...whom() }) } }, "Fill it in for me");
  if (now.skip) return h("button", { type: "button", class: "link", on: { click: () => setDemoClock({ skip: true }).catch(() => {}) } }, "Skip to the next thing");
  return null;
}
