// Controls for trouble: what can go wrong with members, roles, Discord and the bot.

import { post, sim } from "./connection.js";
import { demo, setDemoBot } from "./demo.js";
import { byId, fill, h, write } from "./dom.js";
import { higher, keyOf, nameOf } from "./names.js";
import { rush } from "./rush.js";
import { store } from "./store.js";

const FOREVER = 1_000_000;
const ROUTES = {
  roles: { method: "*", path: "/guilds/{guild_id}/members/{user_id}/roles/{role_id}" },
  messages: { method: "POST", path: "/channels/{channel_id}/messages" },
  dms: { method: "POST", path: "/users/@me/channels" },
  replies: { method: "*", path: "/webhooks/*" },
  everything: { method: "*", path: "*" },
};
const WAYS = { 500: { status: 500 }, 429: { status: 429 }, slow: { hang: 5 }, cut: { reset: true } };

export function showTrouble() {
  store.on("people selected roles rows", draw);
  store.on("faults", drawFaults);
  store.on("bots bot demo", drawBot);
  store.on("last", drawRush);
  byId("trouble-member").addEventListener("change", (event) => store.select(event.target.value));
  ready("toggle-dms", () => sim("user", { user: chosen(), dms_open: !user().dms_open }));
  ready("toggle-member", () => sim("member", { guild: store.guildId, user: chosen(), action: here() ? "leave" : "join" }));
  ready("give-role", () => changeRole("give"));
  ready("take-role", () => changeRole("take"));
  ready("sink-bot", () => sim("role", { guild: store.guildId, role: botRole().id, action: "move", position: 1 }));
  ready("raise-bot", () => sim("role", { guild: store.guildId, role: botRole().id, action: "move", position: store.guild.roles.size - 1 }));
  ready("delete-role", () => sim("role", { guild: store.guildId, role: byId("doomed-role").value, action: "delete" }));
  ready("arm", () => sim("fault", { ...ROUTES[byId("fault-route").value], ...WAYS[byId("fault-way").value], times: Number(byId("fault-times").value) || FOREVER }));
  ready("cut", () => sim("gateway", { bot: bot().id, action: "drop" }));
  ready("bot-power", () => setDemoBot(demo.bot === "stopped" ? "start" : "stop"));
  ready("rush", () => rush(store.last, (told) => write(byId("rush-said"), told)));
  byId("reset").addEventListener("click", reset);
}

/** Let a button act; what the sandbox refuses is said below. */
function ready(id, act) {
  byId(id).addEventListener("click", async () => {
    write(byId("trouble-said"), "");
    try {
      await act();
    } catch (error) {
      write(byId("trouble-said"), error.message);
    }
  });
}

const chosen = () => store.selected ?? byId("trouble-member").value;
const user = () => store.users.get(chosen());
const here = () => store.guild.members.has(chosen());
const bot = () => [...store.bots.values()][0];
const botRole = () => [...store.guild.roles.values()].find((one) => one.tags?.bot_id === bot().id);
const changeRole = (action) => sim("member", { guild: store.guildId, user: chosen(), action, role: byId("hand-role").value, by: store.me });

function draw() {
  const people = [...store.users.values()].filter((one) => !one.bot);
  fill(byId("trouble-member"), people, (one) => one.id, (one) => keyOf(one.id), (one) => h("option", { value: one.id }, nameOf(one.id)));
  if (store.selected && !store.bots.has(store.selected)) byId("trouble-member").value = store.selected;
  if (!store.guild || !user()) return;
  write(byId("toggle-dms"), user().dms_open ? "Close their DMs" : "Open their DMs");
  write(byId("toggle-member"), here() ? "Let them leave" : "Let them rejoin");
  const roles = [...store.guild.roles.values()].filter((one) => one.id !== store.guildId).sort(higher);
  const option = (one) => h("option", { value: one.id }, one.name);
  fill(byId("hand-role"), roles.filter((one) => !one.managed), (one) => one.id, (one) => one.name, option);
  fill(byId("doomed-role"), roles.filter((one) => !one.managed), (one) => one.id, (one) => one.name, option);
  fill(byId("role-order"), roles, (one) => one.id, (one) => `${one.name} ${one.id === botRole()?.id}`, (one) => h("li", { class: one.id === botRole()?.id ? "mine" : null }, one.name));
  const lowest = botRole()?.position === 1;
  byId("sink-bot").disabled = !botRole() || lowest;
  byId("raise-bot").disabled = !botRole() || botRole().position === store.guild.roles.size - 1;
}

function drawFaults() {
  byId("no-faults").hidden = store.faults.some((one) => one.used < one.times);
  const armed = store.faults.filter((one) => one.used < one.times);
  fill(byId("faults"), armed, (one) => one.id, (one) => String(one.used), drawFault);
}

function drawFault(one) {
  const route = Object.entries(ROUTES).find(([, it]) => it.path === one.path)?.[0] ?? one.path;
  const way = one.reset ? "cut off" : one.status ? `answered with ${one.status}` : `${one.hang} s late`;
  const count = one.times >= FOREVER ? `${one.used} so far` : `${one.used} of ${one.times}`;
  const remove = () => post(`/_sim/fault?id=${one.id}`, undefined, "DELETE");
  return h("li", {}, h("span", {}, h("b", {}, route), ` ${way} · ${count}`), h("button", { type: "button", class: "button plain small", on: { click: remove }, "aria-label": `Stop this: ${route} ${way}` }, "Stop"));
}

function drawBot() {
  const one = bot();
  byId("bot-power").hidden = !demo.there;
  byId("reset-box").hidden = demo.there;
  byId("bot-power").disabled = demo.bot === "starting";
  write(byId("bot-power"), demo.bot === "stopped" ? "Start the bot" : "Stop the bot");
  const state = demo.there ? demo.bot : one?.connected ? "connected" : "not connected";
  write(byId("bot-state"), one ? `${one.name} is ${state}.` : "There is no bot.");
  byId("cut").disabled = !one?.connected;
}

function drawRush() {
  byId("rush").disabled = !store.last;
  write(byId("rush-what"), store.last ? `/${store.last.name} as ${nameOf(store.last.user_id)}` : "Run a command first.");
}

let sure = null;

/** Begin anew, at the second press. */
async function reset() {
  if (sure === null) {
    write(byId("reset"), "Really? Press again");
    sure = setTimeout(() => {
      sure = null;
      write(byId("reset"), "Begin anew");
    }, 4000);
    return;
  }
  clearTimeout(sure);
  sure = null;
  write(byId("reset"), "Begin anew");
  await sim("reset");
}
