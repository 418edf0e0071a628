// Names, colours and faces of people, roles and channels.

import { h } from "./dom.js";
import { store } from "./store.js";

const hex = (colour) => `#${colour.toString(16).padStart(6, "0")}`;

export function nameOf(userId) {
  const user = store.users.get(userId);
  if (!user) return userId;
  return store.guild?.members.get(userId)?.nick ?? user.global_name ?? user.username;
}

export const keyOf = (userId) => store.users.get(userId)?.key ?? userId;

/** The roles of a member, the highest first. */
export function rolesOf(userId) {
  const { guild } = store;
  const held = guild?.members.get(userId)?.roles ?? [];
  return held.map((id) => guild.roles.get(id)).filter(Boolean).sort(higher);
}

export const higher = (a, b) => b.position - a.position || (BigInt(a.id) < BigInt(b.id) ? -1 : 1);

/** The colour of a name: that of the highest role that has one. */
export function colourOf(userId) {
  const role = rolesOf(userId).find((one) => one.color);
  return role ? hex(role.color) : null;
}

export const roleColour = (role) => (role?.color ? hex(role.color) : null);

/** Say what somebody is in the server. */
export function standing(userId) {
  const { guild } = store;
  if (!guild?.members.has(userId)) return "not in the server";
  if (guild.owner_id === userId) return "owner";
  const may = rolesOf(userId).some((role) => BigInt(role.permissions) & ((1n << 28n) | 8n));
  return may ? "moderator" : "member";
}

/** Give everybody a hue of their own; it stays the same. */
function hue(id) {
  let sum = 7;
  for (const letter of store.users.get(id)?.username ?? id) sum = (sum * 31 + letter.charCodeAt(0)) % 360;
  return sum;
}

export function face(userId, size = "") {
  const drawn = h("span", { class: `face ${size}`, "aria-hidden": "true" }, (nameOf(userId)[0] ?? "?").toUpperCase());
  drawn.style.setProperty("--hue", hue(userId));
  if (store.users.get(userId)?.bot) drawn.classList.add("bot");
  return drawn;
}

export const tag = () => h("span", { class: "tag" }, "app");

/** A name in the colour of its role; the colour is a dot beside it, so that the name stays readable. */
export function roleChip(role, ...more) {
  return h("span", { class: "role", colour: roleColour(role) }, h("i", { class: "dot", "aria-hidden": "true" }), role?.name ?? "deleted role", ...more);
}
