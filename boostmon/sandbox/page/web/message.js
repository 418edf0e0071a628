// One message: who said it, what, its embeds and what can be clicked below.

import { apps, ON_MESSAGE } from "./apps.js";
import { components } from "./components.js";
import { absolute, moment, shown } from "./clock.js";
import { h, icon } from "./dom.js";
import { inline, markdown, words } from "./markdown.js";
import { colourOf, face, nameOf, tag } from "./names.js";
import { store } from "./store.js";

const LOADING = 128;

/** Draw a message; `compact` leaves the name out, because the one before is by the same person. */
export function drawMessage(message, compact) {
  if (message.local) return drawNote(message);
  const author = message.author.id;
  const private_ = message.viewer_id !== null;
  const element = h(
    "li",
    { class: `message${compact ? " compact" : ""}${private_ ? " private" : ""}${mentionsMe(message) ? " pinged" : ""}`, data: { id: message.id } },
    answered(message),
    compact ? h("span", { class: "beside" }, time(message, "t")) : face(author),
    h("div", { class: "body" }, compact ? null : heading(message, author), content(message), private_ ? whisper(message) : null),
    apps(ON_MESSAGE, message.id, `this message of ${nameOf(author)}`),
  );
  return element;
}

function mentionsMe(message) {
  return message.pinged?.includes(store.me) ?? false;
}

function time(message, style) {
  const at = shown(message.at);
  return h("time", { datetime: new Date(at).toISOString(), title: absolute(at, "F") }, absolute(at, style));
}

function heading(message, author) {
  return h(
    "h2",
    {},
    h("span", { class: "name", colour: colourOf(author) }, nameOf(author)),
    message.author.bot ? tag() : null,
    time(message, "t"),
  );
}

/** Say which command or message this answers. */
function answered(message) {
  const asked = message.interaction_metadata;
  if (message.type === 20 && asked) {
    return h("p", { class: "asked" }, icon("reply"), face(asked.user.id, "tiny"), h("b", {}, nameOf(asked.user.id)), " used ", h("span", { class: "mention" }, `/${message.command ?? "a command"}`));
  }
  if (message.type !== 19 || !message.message_reference) return null;
  const source = store.messages.get(message.channel_id)?.get(message.message_reference.message_id);
  const told = source ? source.content || source.embeds[0]?.title || "a message" : "a message that is gone";
  return h("p", { class: "asked" }, icon("reply"), source?.author ? [face(source.author.id, "tiny"), h("b", {}, nameOf(source.author.id)), " "] : null, words(told).slice(0, 80));
}

function content(message) {
  if (message.flags & LOADING) {
    return h("p", { class: "thinking" }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), `${nameOf(message.author.id)} is thinking…`);
  }
  const edited = message.edited_timestamp ? h("span", { class: "edited" }, " (edited)") : null;
  return [
    message.content ? h("div", { class: "text" }, markdown(message.content), edited) : null,
    message.embeds.map(drawEmbed),
    (message.attachments ?? []).map(drawFile),
    message.components.length ? components(message) : null,
    message.content ? null : edited,
  ];
}

/** A file; its address is taken without the host, which may go by another name here. */
function drawFile(file) {
  const { pathname } = new URL(file.url, location.href);
  const size = file.size < 1024 ? `${file.size} bytes` : `${Math.round(file.size / 1024)} kB`;
  const isPicture = /^image\/(png|jpeg|gif|webp)$/.test(file.content_type ?? "");
  const picture = isPicture ? h("img", { src: pathname, alt: file.description ?? file.filename, loading: "lazy" }) : null;
  return h("p", { class: "file" }, picture, h("a", { href: pathname, target: "_blank", rel: "noopener noreferrer" }, file.filename), h("small", {}, ` ${size}`));
}

function whisper(message) {
  return h(
    "p",
    { class: "whisper" },
    icon("eye"),
    "Only you can see this · ",
    h("button", { type: "button", class: "link", on: { click: () => store.dismiss(message) } }, "Dismiss message"),
  );
}

function drawNote(message) {
  return h(
    "li",
    { class: "message note private", data: { id: message.id } },
    h("span", { class: "face sign", "aria-hidden": "true" }, "!"),
    h("div", { class: "body" }, h("div", { class: "text" }, message.content), whisper(message)),
  );
}

const picture = (url) => h("a", { class: "picture", href: url, target: "_blank", rel: "noopener noreferrer" }, "Picture (not loaded here)");

function drawEmbed(embed) {
  const colour = embed.color === undefined || embed.color === null ? null : `#${embed.color.toString(16).padStart(6, "0")}`;
  const linked = (text, url) => (/^https?:/.test(url ?? "") ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, inline(text)) : inline(text));
  const stamp = embed.timestamp ? moment(Date.parse(embed.timestamp), "f") : null;
  return h(
    "article",
    { class: "embed", colour, "aria-label": words(embed.title ?? embed.author?.name ?? "Embed") },
    embed.author ? h("p", { class: "author" }, linked(embed.author.name, embed.author.url)) : null,
    embed.title ? h("p", { class: "title" }, linked(embed.title, embed.url)) : null,
    embed.description ? h("div", { class: "description" }, markdown(embed.description)) : null,
    embed.fields?.length ? h("dl", { class: "fields" }, embed.fields.map(drawField)) : null,
    [embed.image, embed.thumbnail].filter((one) => /^https?:/.test(one?.url ?? "")).map((one) => picture(one.url)),
    embed.footer || stamp ? h("p", { class: "footer" }, embed.footer?.text, embed.footer && stamp ? " · " : null, stamp) : null,
  );
}

function drawField(field) {
  return h("div", { class: field.inline ? "field inline" : "field" }, h("dt", {}, inline(field.name)), h("dd", {}, markdown(field.value)));
}
