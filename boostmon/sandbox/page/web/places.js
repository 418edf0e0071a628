// The left column: the server's channels, the inbox of DMs, and who acts.

import { byId, fill, h, icon, write } from "./dom.js";
import { words } from "./markdown.js";
import { face, keyOf, nameOf, standing } from "./names.js";
import { closeDrawers } from "./drawers.js";
import { recall, remember } from "./preferences.js";
import { store } from "./store.js";

const read = new Map(Object.entries(recall("read") ?? {}));

/** Remember that the acting person has seen a channel up to its end. */
export function markRead(place) {
  if (!place) return;
  const newest = store.newest(place);
  const key = `${store.me}:${place}`;
  if (read.get(key) === newest) return;
  read.set(key, newest);
  remember("read", Object.fromEntries([...read].slice(-200)));
  store.touch("places");
}

/** Count what the acting person has not seen in a channel. */
function unread(place) {
  const since = BigInt(read.get(`${store.me}:${place}`) ?? 0);
  return store.visible(place).filter((one) => BigInt(one.id) > since && one.author?.id !== store.me).length;
}

export function showPlaces() {
  store.on("places me place people", draw);
  store.on("people me bots", drawActing);
  store.on("place places roles me", drawHeader);
  byId("act-as").addEventListener("change", (event) => store.act(event.target.value));
  byId("server").addEventListener("change", (event) => {
    store.guildId = event.target.value;
    store.act(store.me);
    store.touch("roles", "audit");
  });
}

function draw() {
  const channels = store.channels();
  fill(byId("channels"), channels, (one) => one.id, (one) => `${one.name} ${one.type} ${here(one)} ${unread(one.id)}`, drawChannel);
  const inbox = store.inbox();
  fill(byId("inbox"), inbox, (one) => one.id, (one) => `${here(one)} ${unread(one.id)} ${store.newest(one.id)}`, drawDm);
  byId("no-dms").hidden = inbox.length > 0;
  const servers = [...store.guilds.values()];
  byId("server-field").hidden = servers.length < 2;
  fill(byId("server"), servers, (one) => one.id, (one) => one.name, (one) => h("option", { value: one.id }, one.name));
  byId("server").value = store.guildId;
  write(byId("server-name"), `${store.guild?.name ?? "No server"}${store.guild?.available === false ? " (outage)" : ""}`);
}

const here = (one) => one.id === store.place;

function entry(one, ...children) {
  const count = here(one) ? 0 : unread(one.id);
  const open = () => {
    store.open(one.id);
    closeDrawers();
    byId("composer-text")?.focus({ preventScroll: true });
  };
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: `place${count ? " unread" : ""}`, "aria-current": here(one) ? "true" : null, on: { click: open } },
      ...children,
      count ? h("span", { class: "badge" }, String(Math.min(count, 99)), h("span", { class: "hidden" }, " unread")) : null,
    ),
  );
}

const drawChannel = (one) => entry(one, icon(one.type === 5 ? "megaphone" : "hash"), h("span", { class: "place-name" }, one.name));

function drawDm(one) {
  const last = store.visible(one.id).at(-1);
  const told = last ? words(last.content || last.embeds?.[0]?.title || "…") : "";
  return entry(one, face(one.bot_id), h("span", { class: "place-name" }, nameOf(one.bot_id), h("small", {}, told.slice(0, 60))));
}

function drawActing() {
  const people = [...store.users.values()].filter((one) => !one.bot);
  const label = (one) => `${keyOf(one.id)} · ${standing(one.id)}`;
  fill(byId("act-as"), people, (one) => one.id, label, (one) => h("option", { value: one.id }, label(one)));
  byId("act-as").value = store.me;
  const drawn = store.me ? face(store.me) : h("span", { class: "face" });
  drawn.id = "acting-face";
  byId("acting-face").replaceWith(drawn);
}

function drawHeader() {
  const { channel } = store;
  const title = channel?.user_id ? nameOf(channel.bot_id) : (channel?.name ?? "nowhere");
  write(byId("place-title"), title);
  byId("place-icon").replaceChildren(icon(channel?.user_id ? "at" : channel?.type === 5 ? "megaphone" : "hash"));
  write(byId("topic"), channel?.topic ?? (channel?.user_id ? `Direct messages of ${nameOf(store.me)}` : ""));
  byId("messages").setAttribute("aria-label", `Messages in ${title}`);
  document.title = `${channel?.user_id ? "@" : "#"}${title} · ${store.guild?.name ?? "Sandbox"}`;
}
