// Where one writes: a message, or after a slash one of the commands that the bot registered.

import { CommandLine } from "./command_line.js";
import { sim } from "./connection.js";
import { byId } from "./dom.js";
import { explain } from "./explain.js";
import { listbox } from "./listbox.js";
import { nameOf } from "./names.js";
import { inChannel, SEND_MESSAGES } from "./permissions.js";
import { asked, commands, narrowed } from "./suggestions.js";
import { store } from "./store.js";

const WHOLE = /^\/([\w-]+(?: [\w-]+){0,2}) ([\w-]+:.+)$/;
const PARTS = /([\w-]+):\s*(.*?)(?=\s+[\w-]+:|$)/g;

const LONGEST = 2000;

let line = null;
let said = Promise.resolve();

const text = () => byId("composer-text");
const complain = (sentence) => {
  byId("composer-error").textContent = sentence ?? "";
};

export function showComposer() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  text().addEventListener("input", typed);
  text().addEventListener("focus", typed);
  text().addEventListener("blur", () => listbox.hide());
  text().addEventListener("keydown", pressed);
  store.on("moved", () => line && leave(""));
  store.on("place places me roles people", draw);
}

function draw() {
  const { channel, guild, member } = store;
  const mayWrite = channel && (channel.user_id || (member && inChannel(guild, member, channel) & SEND_MESSAGES));
  const where = channel?.user_id ? nameOf(channel.bot_id) : `#${channel?.name ?? ""}`;
  text().disabled = !mayWrite;
  byId("send").disabled = !mayWrite;
  text().placeholder = mayWrite ? `Message ${where} as ${nameOf(store.me)}, or type /` : `${nameOf(store.me ?? "")} may not write here.`;
}

function typed() {
  complain("");
  const written = text().value;
  if (!written.startsWith("/")) return listbox.hide();
  const whole = WHOLE.exec(written);
  if (whole) return compose(whole[1], Object.fromEntries([...whole[2].matchAll(PARTS)].map((part) => [part[1], part[2]])));
  const name = written.slice(1).replace(/ $/, "");
  const all = commands();
  const mine = all.filter((one) => !one.why);
  const exact = mine.find((one) => one.name === name);
  if (exact && written.endsWith(" ")) return begin(exact);
  const items = narrowed(mine.map((one) => ({ value: one, label: `/${one.name}`, note: one.description, words: one.name })), name);
  const hidden = all.filter((one) => one.why);
  const title = `Commands of ${[...new Set(all.map((one) => one.bot.name))].join(", ") || "no bot"}`;
  const kept = hidden.length ? ` · ${hidden.length} hidden from ${nameOf(store.me)}` : "";
  listbox.show(text(), items, { title: title + kept, empty: nothing(all, name), picked: (item) => begin(item.value) });
}

/** Say why no command is offered. */
function nothing(all, name) {
  if (!all.length) return "No bot has registered a command here yet.";
  const refused = all.find((one) => `${name} `.startsWith(`${one.name} `)) ?? all.find((one) => name && one.name.startsWith(name));
  return refused?.why ?? `There is no command /${name}.`;
}

/** Begin to fill in a command. */
function begin(chosen) {
  listbox.hide();
  line = new CommandLine(chosen, { leave, send, complain });
  text().value = "";
  byId("text-line").hidden = true;
  byId("command-line").hidden = false;
  line.next();
}

/** Go back to plain text. */
function leave(written) {
  listbox.hide();
  const held = byId("command-line").contains(document.activeElement);
  line = null;
  byId("command-line").replaceChildren();
  byId("command-line").hidden = true;
  byId("text-line").hidden = false;
  text().value = written;
  if (held) text().focus();
}

/** Begin a command by name and fill in options, for somebody who asks to be shown. */
export function compose(name, texts) {
  const chosen = commands().find((one) => one.name === name);
  if (!chosen || chosen.why) return complain(chosen?.why ?? `The bot has no command /${name}.`);
  begin(chosen);
  return line.fillIn(texts);
}

function pressed(event) {
  if (event.isComposing || listbox.key(event)) return;
  if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && listbox.chosen) {
    event.preventDefault();
    listbox.picked(listbox.chosen);
  } else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  } else if (event.key === "Escape") {
    listbox.hide();
  }
}

function submit() {
  if (line) return line.missing() ? line.collect() : send();
  const written = text().value.trim();
  if (!written) return null;
  if (written.startsWith("/")) return complain(nothing(commands(), written.slice(1)));
  if (lengthOf(written) > LONGEST) return complain(tooLong(written));
  return say(written);
}

/** Count as Discord does: characters, not halves of them. */
const lengthOf = (written) => [...written].length;
const tooLong = (written) => `Your message has ${lengthOf(written)} characters; at most ${LONGEST} can be sent.`;

/** Send a message after those that are on their way; the box is free at once. */
function say(content) {
  const { channel } = store;
  const where = channel.user_id ? { bot: channel.bot_id } : { guild: store.guildId, channel: channel.id };
  const body = { user: store.me, content, ...where };
  text().value = "";
  said = said.then(() => sim("message", body)).catch((error) => {
    complain(error.message);
    if (!text().value) text().value = content;
  });
}

async function send() {
  const sent = line;
  const options = sent.collect();
  if (!options || sent.isSent) return;
  const body = asked(sent.chosen, options);
  const { name } = sent.chosen;
  sent.isSent = true;
  try {
    store.last = body;
    const made = await sim("interaction", body);
    store.touch("last");
    if (line === sent) {
      leave("");
      text().focus();
    }
    explain(made.sessions ? await store.answer(made.id) : null, made, `/${name}`);
  } catch (error) {
    sent.isSent = false;
    complain(sentence(error.message));
  }
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
