// The list of messages of the open channel; it keeps to its end unless somebody scrolls up.

import { shown } from "./clock.js";
import { demo } from "./demo.js";
import { announce, byId, fill, h, write } from "./dom.js";
import { drawMessage } from "./message.js";
import { words } from "./markdown.js";
import { colourOf, nameOf } from "./names.js";
import { markRead } from "./places.js";
import { store } from "./store.js";

const TOGETHER = 7 * 60_000;
const NEAR = 60;

let roles = 0;
let unseen = 0;
let following = true;

export function showMessages() {
  const scroller = byId("messages");
  scroller.addEventListener("scroll", () => {
    following = atEnd();
    if (following) seen();
  });
  byId("newest").addEventListener("click", toEnd);
  const sizes = new ResizeObserver(() => following && toEnd());
  for (const one of [scroller, byId("message-list")]) sizes.observe(one);
  store.on("roles past bots", () => (roles += 1));
  store.on("messages place me roles people past bots", draw);
  store.on("moved", toEnd);
  store.on("typing messages place", () => {
    const { typing, place } = store;
    const types = typing?.place === place && typing.until > Date.now();
    write(byId("typing"), types ? `${nameOf(typing.user)} is typing…` : "");
  });
  store.onMessage = heard;
}

const atEnd = () => {
  const scroller = byId("messages");
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
};

function toEnd() {
  const scroller = byId("messages");
  scroller.scrollTop = scroller.scrollHeight;
  following = true;
  seen();
}

function seen() {
  unseen = 0;
  byId("newest").hidden = true;
}

function draw() {
  const list = byId("message-list");
  const said = store.visible(store.place);
  const shownAs = said.map((message, index) => ({ message, compact: together(said[index - 1], message) }));
  fill(list, shownAs, (one) => one.message.id, sign, (one) => drawMessage(one.message, one.compact));
  byId("empty").hidden = said.length > 0;
  if (!following) return;
  toEnd();
  markRead(store.place);
}

let stamps = new WeakMap();
let stamped = 0;

/** What a drawn message depends on; a message that was edited is another object. */
function sign({ message, compact }) {
  if (!stamps.has(message)) stamps.set(message, (stamped += 1));
  return `${stamps.get(message)} ${compact} ${roles} ${message.author ? colourOf(message.author.id) : ""} ${store.me}`;
}

function together(before, message) {
  if (!before || before.local || message.local || message.interaction_metadata || message.message_reference) return false;
  const same = before.author.id === message.author.id && before.viewer_id === message.viewer_id;
  return same && shown(message.at) - shown(before.at) < TOGETHER;
}

function heard(message) {
  if (message.viewer_id !== null && message.viewer_id !== store.me) return;
  if (message.channel_id !== store.place) return;
  const told = message.content || message.embeds[0]?.title;
  if (told) announce(`${nameOf(message.author.id)}: ${words(told)}`);
  if (following) return;
  unseen += 1;
  const button = byId("newest");
  button.hidden = false;
  button.textContent = unseen === 1 ? "1 new message ↓" : `${unseen} new messages ↓`;
}

/** What an empty channel says. */
export function showEmpty() {
  store.on("place bots me bot demo", () => {
    const channel = store.channel;
    const name = channel?.user_id ? `your messages with ${nameOf(channel.bot_id)}` : `#${channel?.name ?? ""}`;
    const bot = [...store.bots.values()][0];
    byId("empty").replaceChildren(
      h("p", { class: "big" }, channel ? `This is the beginning of ${name}.` : "Nothing here is open to this person."),
      bot && !bot.connected ? connectHint(bot) : h("p", {}, "Type / to see what the bot offers."),
    );
  });
}

function connectHint(bot) {
  if (demo.there) return h("p", {}, demo.bot === "stopped" ? `${bot.name} is stopped; the panel Trouble starts it.` : `${bot.name} is starting…`);
  const line = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, h("code", {}, value)));
  return h("div", { class: "hint-card" }, h("p", {}, `${bot.name} is not connected. Start a bot with these and it appears here:`), h("dl", {}, line("REST base", store.api), line("Token", bot.token)));
}
