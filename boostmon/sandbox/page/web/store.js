// What the page knows of the world. Changes come in lists; those who show it are told once a frame.

import { CHANGES, shaped } from "./changes.js";
import { inChannel, VIEW_CHANNEL } from "./permissions.js";
import { recall, remember } from "./preferences.js";

const MOST_MESSAGES = 200;
const MOST_LINES = 100;
const MOST_ANSWERS = 400;
const MOST_DISMISSED = 50;
const TEXT = new Set([0, 5]);
const EPOCH = 1420070400000n;

class Store {
  users = new Map();
  bots = new Map();
  guilds = new Map();
  dms = new Map();
  messages = new Map();
  requests = [];
  faults = [];
  guildId = null;
  me = null;
  place = null;
  selected = null;
  typing = null;
  api = "";
  #listeners = new Map();
  #dirty = new Set();
  #frame = null;
  #answers = new Map();
  #waiting = new Map();

  /** Call `listener` once a frame after any of `topics` changed. */
  on(topics, listener) {
    for (const topic of topics.split(" ")) {
      if (!this.#listeners.has(topic)) this.#listeners.set(topic, new Set());
      this.#listeners.get(topic).add(listener);
    }
  }

  touch(...topics) {
    for (const topic of topics) this.#dirty.add(topic);
    if (this.#frame !== null) return;
    this.#frame = true;
    if (document.hidden) setTimeout(() => this.#flush(), 250);
    else requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    this.#frame = null;
    const topics = [...this.#dirty];
    this.#dirty.clear();
    const called = new Set(topics.flatMap((topic) => [...(this.#listeners.get(topic) ?? [])]));
    for (const listener of called) listener();
  }

  get guild() {
    return this.guilds.get(this.guildId);
  }

  get member() {
    return this.guild?.members.get(this.me) ?? null;
  }

  /** The channel or DM that is open, or undefined. */
  get channel() {
    return this.guild?.channels.get(this.place) ?? this.dms.get(this.place);
  }

  /** Take in a list of changes. */
  take(changes) {
    for (const { t, d } of changes) CHANGES[t]?.(this, d);
  }

  /** The text channels that the acting person sees. */
  channels() {
    if (!this.member) return [];
    const seen = [...this.guild.channels.values()].filter(
      (one) => TEXT.has(one.type) && inChannel(this.guild, this.member, one) & VIEW_CHANNEL,
    );
    return seen.sort((a, b) => a.position - b.position);
  }

  /** The acting person's DMs, the newest first. */
  inbox() {
    const mine = [...this.dms.values()].filter((one) => one.user_id === this.me);
    return mine.sort((a, b) => this.newest(b.id).localeCompare(this.newest(a.id)));
  }

  newest(channelId) {
    return [...(this.messages.get(channelId)?.keys() ?? [])].at(-1) ?? "0";
  }

  /** What the acting person sees in a channel, oldest first. */
  visible(channelId) {
    const said = [...(this.messages.get(channelId)?.values() ?? [])];
    return said.filter((one) => (one.viewer_id === null || one.viewer_id === this.me) && !one.dismissed);
  }

  act(userId) {
    this.me = userId;
    remember("me", userId);
    if (!this.#sees(this.place)) this.open(this.channels()[0]?.id ?? this.inbox()[0]?.id ?? null);
    this.touch("me", "moved", "people", "places", "messages");
  }

  #sees(place) {
    return this.channels().some((one) => one.id === place) || this.inbox().some((one) => one.id === place);
  }

  open(place) {
    this.place = place;
    remember("place", place);
    this.touch("place", "moved", "places", "messages");
  }

  select(userId, byHand = true) {
    this.selected = userId;
    if (byHand) this.selectedByHand = true;
    this.touch("selected", "people");
  }

  /** Show something that only this page says, such as that no bot answered. */
  note(channelId, content) {
    const id = String((BigInt(Date.now()) - EPOCH) << 22n);
    this.#put({ id, channel_id: channelId, viewer_id: this.me, content, local: true });
  }

  dismiss(message) {
    message.dismissed = true;
    remember("dismissed", [...(recall("dismissed") ?? []).slice(-MOST_DISMISSED), message.id]);
    this.touch("messages");
  }

  /** Wait for the bot's answer to an interaction; null when none came in `ms`. */
  answer(id, ms = 3200) {
    if (this.#answers.has(id)) return Promise.resolve(this.#answers.get(id));
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        resolve(null);
      }, ms);
      this.#waiting.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
    });
  }

  answered(it) {
    this.#answers.set(it.id, it);
    if (this.#answers.size > MOST_ANSWERS) this.#answers.delete(this.#answers.keys().next().value);
    this.#waiting.get(it.id)?.(it);
    this.#waiting.delete(it.id);
  }

  #put(message) {
    if (!this.messages.has(message.channel_id)) this.messages.set(message.channel_id, new Map());
    const said = this.messages.get(message.channel_id);
    const before = said.get(message.id);
    message.at = before?.at ?? Date.parse(message.timestamp ?? new Date().toISOString());
    message.dismissed ??= before?.dismissed ?? false;
    said.set(message.id, message);
    if (said.size > MOST_MESSAGES) said.delete(said.keys().next().value);
    this.touch("messages", "places");
    return before === undefined;
  }

  /** Take in a message; tell those who want to know of a new one. */
  hear(message) {
    if (message.user_id && !this.dms.has(message.channel_id)) {
      this.dms.set(message.channel_id, { id: message.channel_id, type: 1, bot_id: message.bot_id, user_id: message.user_id });
    }
    if (this.typing?.user === message.author.id) this.typing = null;
    if (this.#put(message)) this.onMessage?.(message);
  }

  /** Begin with the whole picture. */
  begin(picture) {
    this.api = picture.api;
    if (picture.beside.includes("/_demo/")) this.onDemo?.();
    this.users = new Map(picture.users.map((one) => [one.id, one]));
    this.bots = new Map(picture.bots.map((one) => [one.id, one]));
    this.guilds = new Map(picture.guilds.map((one) => [one.id, shaped(one)]));
    this.dms = new Map(picture.dms.map((one) => [one.id, one]));
    this.#fillMessages([...picture.guilds.flatMap((one) => one.channels), ...picture.dms]);
    this.requests = picture.requests.slice(-MOST_LINES);
    this.faults = picture.faults;
    this.guildId = this.guilds.has(this.guildId) ? this.guildId : this.guilds.keys().next().value;
    this.#settle();
    this.ready = true;
    this.touch("people", "roles", "places", "place", "me", "messages", "bots", "requests", "faults", "audit", "selected");
  }

  /** Take in what was said in all channels; what only this page says stays. */
  #fillMessages(channels) {
    const gone = new Set(recall("dismissed") ?? []);
    const notes = [...this.messages.values()].flatMap((said) => [...said.values()].filter((one) => one.local));
    this.messages.clear();
    const said = [...channels.flatMap((one) => one.messages), ...notes].sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
    for (const message of said) {
      this.#put(message);
      message.dismissed ||= gone.has(message.id);
    }
  }

  /** Choose who acts and what is open: as before if that is still there, else somebody who may do something. */
  #settle() {
    const people = [...this.users.values()].filter((one) => !one.bot);
    const before = [this.me, recall("me")].find((id) => people.some((one) => one.id === id));
    const may = (one) => {
      const roles = this.guild?.members.get(one.id)?.roles ?? [];
      return roles.some((id) => BigInt(this.guild.roles.get(id)?.permissions ?? 0) & (1n << 28n));
    };
    this.me = before ?? (people.find(may) ?? people[0])?.id ?? null;
    const place = [this.place, recall("place")].find((id) => this.#sees(id));
    this.place = place ?? this.channels()[0]?.id ?? this.inbox()[0]?.id ?? null;
    if (!this.users.has(this.selected)) this.selected = null;
  }
}

export const store = new Store();
