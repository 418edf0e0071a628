// The markdown of messages and embeds, as DOM nodes: foreign text only ever becomes text.

import { h } from "./dom.js";
import { absolute, moment } from "./clock.js";
import { nameOf, roleColour } from "./names.js";
import { store } from "./store.js";

const INLINE = [
  [/^\\([^A-Za-z0-9\s])/, (found) => found[1]],
  [/^(`+)([^]*?[^`])\1(?!`)/, (found) => h("code", {}, found[2].trim())],
  [/^\*\*\*([^]+?)\*\*\*/, (found) => h("strong", {}, h("em", {}, inline(found[1])))],
  [/^\*\*([^]+?)\*\*(?!\*)/, (found) => h("strong", {}, inline(found[1]))],
  [/^__([^]+?)__(?!_)/, (found) => h("u", {}, inline(found[1]))],
  [/^~~([^]+?)~~/, (found) => h("s", {}, inline(found[1]))],
  [/^\|\|([^]+?)\|\|/, (found) => spoiler(inline(found[1]))],
  [/^\*(?!\s)([^*]+?)\*(?!\*)/, (found) => h("em", {}, inline(found[1]))],
  [/^_(?!\s)([^_]+?)_(?!\w)/, (found) => h("em", {}, inline(found[1]))],
  [/^<@!?(\d+)>/, (found) => h("span", { class: "mention" }, `@${nameOf(found[1])}`)],
  [/^<@&(\d+)>/, (found) => roleMention(found[1])],
  [/^<#(\d+)>/, (found) => h("span", { class: "mention" }, `#${store.guild?.channels.get(found[1])?.name ?? "unknown"}`)],
  [/^<t:(-?\d{1,13})(?::([tTdDfFR]))?>/, (found) => h("span", { class: "stamp" }, moment(Number(found[1]) * 1000, found[2] ?? "f"))],
  [/^<\/([^:>]{1,100}):\d+>/, (found) => h("span", { class: "mention" }, `/${found[1]}`)],
  [/^<a?:(\w+):\d+>/, (found) => `:${found[1]}:`],
  [/^\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/, (found) => link(found[2], inline(found[1]))],
  [/^<?(https?:\/\/[^\s<>]+[^\s<>.,:;"')\]])>?/, (found) => link(found[1], found[1])],
  [/^@(everyone|here)\b/, (found) => h("span", { class: "mention" }, found[0])],
  [/^\n/, () => h("br")],
];
const PLAIN = /^[^\\`*_~|<[@\nh]+|^[^]/;

function roleMention(id) {
  const role = store.guild?.roles.get(id);
  return h("span", { class: "mention role-mention", colour: roleColour(role) }, `@${role?.name ?? "deleted-role"}`);
}

function link(url, shown) {
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, shown);
}

function spoiler(children) {
  const hidden = h("button", { type: "button", class: "spoiler", "aria-label": "Spoiler: press to show" }, h("span", { "aria-hidden": "true" }, children));
  hidden.addEventListener("click", () => hidden.replaceWith(h("span", {}, children)), { once: true });
  return hidden;
}

/** Turn a run of text into nodes. */
export function inline(text) {
  const nodes = [];
  let rest = text;
  while (rest) {
    const [found, make] = match(rest);
    if (make) nodes.push(make(found));
    else if (typeof nodes.at(-1) === "string") nodes.push(nodes.pop() + found[0]);
    else nodes.push(found[0]);
    rest = rest.slice(found[0].length);
  }
  return nodes;
}

function match(rest) {
  for (const [pattern, make] of INLINE) {
    const found = pattern.exec(rest);
    if (found) return [found, make];
  }
  return [PLAIN.exec(rest), null];
}

const BLOCKS = [
  [/^```(?:[\w+-]*\n)?([^]*?)```\n?/, (found) => h("pre", {}, h("code", {}, found[1].replace(/\n$/, "")))],
  [/^(#{1,3}) ([^\n]+)\n?/, (found) => h("p", { class: `heading h${found[1].length}` }, inline(found[2]))],
  [/^-# ([^\n]+)\n?/, (found) => h("p", { class: "subtext" }, inline(found[1]))],
  [/^(?:> [^\n]*(?:\n|$))+/, (found) => h("blockquote", {}, markdown(found[0].replace(/^> /gm, "").replace(/\n$/, "")))],
  [/^(?:[-*] [^\n]+(?:\n|$))+/, (found) => h("ul", {}, found[0].trimEnd().split("\n").map((line) => h("li", {}, inline(line.slice(2)))))],
];
const NEXT_BLOCK = /\n(?=```|#{1,3} |-# |> |[-*] )|(?<=.)(?=```)/;

/** Turn the text of a message into nodes. */
export function markdown(text) {
  const nodes = [];
  let rest = text;
  while (rest) {
    const block = BLOCKS.map(([pattern, make]) => [pattern.exec(rest), make]).find(([found]) => found);
    if (block) {
      nodes.push(block[1](block[0]));
      rest = rest.slice(block[0][0].length);
      continue;
    }
    const end = rest.search(NEXT_BLOCK);
    const run = end > 0 ? rest.slice(0, end) : rest;
    nodes.push(inline(run));
    rest = rest.slice(run.length).replace(/^\n/, "");
  }
  return nodes;
}

/** Turn the text of a message into plain words, for lists and screen readers. */
export function words(text) {
  return text
    .replace(/<@!?(\d+)>/g, (_, id) => `@${nameOf(id)}`)
    .replace(/<@&(\d+)>/g, (_, id) => `@${store.guild?.roles.get(id)?.name ?? "deleted role"}`)
    .replace(/<#(\d+)>/g, (_, id) => `#${store.guild?.channels.get(id)?.name ?? "unknown"}`)
    .replace(/<t:(\d+)(?::\w)?>/g, (_, seconds) => absolute(Number(seconds) * 1000))
    .replace(/[*_~`|]{1,3}/g, "");
}
