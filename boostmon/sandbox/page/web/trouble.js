// Controls for trouble: what can go wrong with members, roles, Discord and the bot.

import { sim } from "./connection.js";
import { demo, setDemoBot } from "./demo.js";
import { byId, fill, h, write } from "./dom.js";
import { armEvents, armFault, showFaults } from "./faults.js";
import { higher, keyOf, nameOf } from "./names.js";
import { rush } from "./rush.js";
import { store } from "./store.js";

export function showTrouble() {
  store.on("people selected roles rows", draw);
  showFaults();
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
  ready("two-factor", switchTwoFactor);
  ready("arm", armFault);
  ready("arm-events", armEvents);
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

/** Let the server ask for two-factor, which the bot's owner then lacks; or no longer. */
async function switchTwoFactor() {
  const required = !store.guild.mfa_level;
  await sim("user", { user: bot().owner_id, two_factor: !required });
  await sim("guild", { guild: store.guildId, action: "two_factor", required });
}

function draw() {
  const people = [...store.users.values()].filter((one) => !one.bot);
  fill(byId("trouble-member"), people, (one) => one.id, (one) => keyOf(one.id), (one) => h("option", { value: one.id }, nameOf(one.id)));
  if (store.selected && !store.bots.has(store.selected)) byId("trouble-member").value = store.selected;
  if (!store.guild || !user()) return;
  write(byId("toggle-dms"), user().dms_open ? "Close their DMs" : "Open their DMs");
  write(byId("toggle-member"), here() ? "Let them leave" : "Let them rejoin");
  write(byId("two-factor"), store.guild.mfa_level ? "No longer ask for two-factor" : "Ask for two-factor");
  const roles = [...store.guild.roles.values()].filter((one) => one.id !== store.guildId).sort(higher);
  const option = (one) => h("option", { value: one.id }, one.name);
  fill(byId("hand-role"), roles.filter((one) => !one.managed), (one) => one.id, (one) => one.name, option);
  fill(byId("doomed-role"), roles.filter((one) => !one.managed), (one) => one.id, (one) => one.name, option);
  fill(byId("role-order"), roles, (one) => one.id, (one) => `${one.name} ${one.id === botRole()?.id}`, (one) => h("li", { class: one.id === botRole()?.id ? "mine" : null }, one.name));
  const lowest = botRole()?.position === 1;
  byId("sink-bot").disabled = !botRole() || lowest;
  byId("raise-bot").disabled = !botRole() || botRole().position === store.guild.roles.size - 1;
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
