// What can be chosen for an option: people, roles, channels, choices, and what the bot completes.

import { sim } from "./connection.js";
import { face, higher, keyOf, nameOf, roleColour } from "./names.js";
import { h, icon } from "./dom.js";
import { inChannel, refusal, VIEW_CHANNEL } from "./permissions.js";
import { store } from "./store.js";

export const SUBCOMMAND = 1;
export const GROUP = 2;
export const [STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER] = [3, 4, 5, 6, 7, 8, 9, 10];
const MOST = 25;

/** Whether a value must be chosen from a list. */
export const isPicked = (option) => [BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE].includes(option.type) || Boolean(option.choices?.length);

function people() {
  const { guild, users } = store;
  const item = (user) => ({
    value: user.id, label: nameOf(user.id), note: guild?.members.has(user.id) ? keyOf(user.id) : "not in this server",
    words: `${keyOf(user.id)} ${user.username} ${user.id}`, icon: () => face(user.id, "small"), here: guild?.members.has(user.id),
  });
  const all = [...users.values()].map(item);
  return [...all.filter((one) => one.here && !store.bots.has(one.value)), ...all.filter((one) => one.here && store.bots.has(one.value)), ...all.filter((one) => !one.here)];
}

function roles() {
  const listed = [...(store.guild?.roles.values() ?? [])].sort(higher);
  return listed.map((role) => ({
    value: role.id, label: role.name, note: role.managed ? "managed" : null, words: role.id,
    icon: () => h("i", { class: "dot", colour: roleColour(role), "aria-hidden": "true" }),
  }));
}

function channels(types) {
  const { guild, member } = store;
  const seen = [...(guild?.channels.values() ?? [])].filter(
    (one) => (!types?.length || types.includes(one.type)) && member && inChannel(guild, member, one) & VIEW_CHANNEL,
  );
  return seen.map((one) => ({ value: one.id, label: one.name, words: one.id, icon: () => icon(one.type === 5 ? "megaphone" : one.type === 2 ? "voice" : "hash") }));
}

/** Everything that can be picked for an option. */
export function pickable(option) {
  if (option.choices?.length) return option.choices.map((one) => ({ value: one.value, label: one.name, words: "" }));
  switch (option.type) {
    case BOOLEAN: return [{ value: true, label: "True", words: "yes" }, { value: false, label: "False", words: "no" }];
    case USER: return people();
    case ROLE: return roles();
    case CHANNEL: return channels(option.channel_types);
    case MENTIONABLE: return [...people(), ...roles()];
    default: return [];
  }
}

/** Narrow items to those that fit what is typed: beginnings first. */
export function narrowed(items, typed) {
  const wanted = typed.trim().replace(/^[@#&]+/, "").toLowerCase();
  if (!wanted) return items.slice(0, MOST);
  const rank = (one) => {
    const label = String(one.label).toLowerCase();
    if (label === wanted || `${one.words}`.toLowerCase().split(" ").includes(wanted)) return 0;
    if (label.startsWith(wanted) || `${one.words}`.toLowerCase().startsWith(wanted)) return 1;
    return label.includes(wanted) ? 2 : 3;
  };
  const ranked = items.map((one) => [rank(one), one]).filter(([value]) => value < 3);
  return ranked.sort((a, b) => a[0] - b[0]).map(([, one]) => one).slice(0, MOST);
}

/** Say which item is meant by what is typed: one that is or begins so; -1 when none does. */
export function meant(items, typed) {
  const wanted = typed.trim().toLowerCase();
  const fits = (fit) => items.findIndex((one) => [one.label, one.value].some((name) => fit(String(name).toLowerCase())));
  const exact = fits((name) => name === wanted);
  return exact < 0 ? fits((name) => name.startsWith(wanted)) : exact;
}

/** The commands of a kind (1: after a slash) here, flat: a sub-command is one of its own, with its path. */
export function commands(kind = 1) {
  const { guild, channel, member } = store;
  const found = [];
  const names = new Set();
  for (const bot of store.bots.values()) {
    const scopes = guild && !channel?.user_id ? [guild.id, ""] : [""];
    if (!channel?.user_id && !guild?.members.has(bot.id)) continue;
    for (const command of scopes.flatMap((scope) => bot.commands[scope] ?? [])) {
      if (command.type !== kind || names.has(`${bot.id} ${command.name}`)) continue;
      names.add(`${bot.id} ${command.name}`);
      if (channel?.user_id && (command.guild_id || !command.dm_permission)) continue;
      const why = channel?.user_id ? null : member ? refusal(guild, member, channel, command) : "You are not in this server.";
      found.push(...flat(bot, command, why, [], command));
    }
  }
  return found;
}

function flat(bot, command, why, path, at) {
  const inner = (at.options ?? []).filter((one) => one.type === SUBCOMMAND || one.type === GROUP);
  if (inner.length) return inner.flatMap((one) => flat(bot, command, why, [...path, one], one));
  const name = [command.name, ...path.map((one) => one.name)].join(" ");
  return [{ bot, command, why, path, name, description: at.description, options: at.options ?? [] }];
}

/** Write the body of an interaction; `given` are options with their values. */
export function asked(chosen, given, type = 2) {
  const { channel } = store;
  const options = chosen.path.reduceRight((inner, one) => [{ name: one.name, type: one.type, options: inner }], given);
  const place = channel.user_id ? {} : { guild_id: store.guildId, channel_id: channel.id };
  return { type, user_id: store.me, bot_id: chosen.bot.id, command_id: chosen.command.id, name: chosen.command.name, options, ...place };
}

/** Ask the bot to complete what is typed; null when it does not answer. */
export async function completed(chosen, given) {
  const made = await sim("interaction", asked(chosen, given, 4));
  const answer = await store.answer(made.id);
  return answer?.choices?.map((one) => ({ value: one.value, label: one.name, words: "" })) ?? null;
}
