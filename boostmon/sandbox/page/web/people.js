// The right column: members below their highest hoisted role, with their roles and what is left of them.

import { moment } from "./clock.js";
import { apps, ON_USER } from "./apps.js";
import { demo } from "./demo.js";
import { byId, fill, h } from "./dom.js";
import { colourOf, face, higher, nameOf, roleChip, rolesOf, tag } from "./names.js";
import { store } from "./store.js";
import { commands } from "./suggestions.js";

const MOST = 250;
const PAUSE = 200;

let waiting = null;

export function showPeople() {
  store.on("people roles selected bots rows", () => {
    waiting ??= setTimeout(() => {
      waiting = null;
      draw();
    }, byId("people-groups").childElementCount ? PAUSE : 0);
  });
}

function draw() {
  const { guild } = store;
  const groups = guild ? grouped(guild) : [];
  const signOf = (group) => `${group.name} ${group.members.length}`;
  fill(byId("people-groups"), groups, (one) => one.id, signOf, drawGroup);
  for (const group of groups) {
    const list = byId(`group-${group.id}`);
    fill(list, group.members, (one) => one.user_id, signMember, drawMember);
  }
}

/** Group members by their highest hoisted role; the rest come last. */
function grouped(guild) {
  const rest = { id: "rest", name: "Members", position: -1, members: [] };
  const groups = new Map([["rest", rest]]);
  for (const member of [...guild.members.values()].slice(0, MOST)) {
    const role = rolesOf(member.user_id).find((one) => one.hoist);
    const id = role?.id ?? "rest";
    if (!groups.has(id)) groups.set(id, { id, name: role.name, position: role.position, members: [] });
    groups.get(id).members.push(member);
  }
  const byName = (a, b) => nameOf(a.user_id).localeCompare(nameOf(b.user_id));
  for (const group of groups.values()) group.members.sort(byName);
  return [...groups.values()].filter((one) => one.members.length).sort((a, b) => higher(a, { ...b, id: "0" }) || 0).sort((a, b) => b.position - a.position);
}

function drawGroup(group) {
  return h(
    "li",
    {},
    h("h3", { id: `title-${group.id}` }, `${group.name} — ${group.members.length}`),
    h("ul", { id: `group-${group.id}`, "aria-labelledby": `title-${group.id}` }),
  );
}

const rowOf = (userId, roleId) => demo.rows.get(`${userId}:${roleId}`);

function signMember(member) {
  const roles = rolesOf(member.user_id).map((one) => {
    const row = rowOf(member.user_id, one.id);
    return `${one.id} ${one.name} ${one.color} ${row?.expires_at} ${row?.paused}`;
  });
  const user = store.users.get(member.user_id);
  return `${nameOf(member.user_id)} ${roles} ${store.selected === member.user_id} ${user?.dms_open} ${store.bots.get(member.user_id)?.connected} ${member.user_id === store.guild.owner_id} ${store.selected === member.user_id && commands(ON_USER).length}`;
}

function drawMember(member) {
  const id = member.user_id;
  const user = store.users.get(id);
  const bot = store.bots.get(id);
  const chips = rolesOf(id).filter((one) => one.tags?.bot_id !== id);
  const states = [
    id === store.guild.owner_id ? "owner" : null,
    bot ? (bot.connected ? "online" : "offline") : null,
    !bot && user?.dms_open === false ? "DMs closed" : null,
  ].filter(Boolean);
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: `member${bot && !bot.connected ? " away" : ""}`, "aria-pressed": String(store.selected === id), on: { click: () => store.select(id) } },
      face(id),
      h(
        "span",
        { class: "who" },
        h("span", { class: "line" }, h("span", { class: "name", colour: colourOf(id) }, nameOf(id)), bot ? tag() : null, states.map((one) => h("span", { class: "state" }, one))),
        chips.length ? h("span", { class: "roles" }, chips.map((role) => roleChip(role, left(rowOf(id, role.id))))) : null,
      ),
    ),
    store.selected === id ? apps(ON_USER, id, nameOf(id)) : null,
  );
}

function left(row) {
  if (!row) return null;
  return h("span", { class: "left" }, row.paused ? "paused" : moment(Number(row.expires_at), "left"));
}
