// Buttons and select menus below a message; a click goes to the bot.

import { sim } from "./connection.js";
import { h } from "./dom.js";
import { explain } from "./explain.js";
import { openMenu } from "./menu.js";
import { store } from "./store.js";
import { pickable } from "./suggestions.js";

const BUTTON = 2;
const STYLES = { 1: "primary", 2: "plain", 3: "good", 4: "bad", 5: "plain" };
const KINDS = { 5: 6, 6: 8, 7: 9, 8: 7 };

export function components(message) {
  const said = h("p", { class: "failed", role: "status" });
  const rows = message.components.map((row) => h("div", { class: "row" }, (row.components ?? []).map((one) => part(message, one, said))));
  return h("div", { class: "components" }, rows, said);
}

function part(message, one, said) {
  if (one.type !== BUTTON) return select(message, one, said);
  const label = [one.emoji?.name, one.label].filter(Boolean).join(" ");
  if (one.style === 5) return h("a", { class: "button plain", href: one.url, target: "_blank", rel: "noopener noreferrer" }, label);
  const pressed = (event) => click(message, one, [], event.currentTarget, said);
  return h("button", { type: "button", class: `button ${STYLES[one.style]}`, disabled: one.disabled, on: { click: pressed } }, label);
}

function select(message, one, said) {
  const placeholder = one.placeholder ?? "Make a selection";
  const chosen = (one.options ?? []).filter((option) => option.default).map((option) => option.label);
  const shown = chosen.join(", ") || placeholder;
  const button = h(
    "button",
    { type: "button", class: "select", role: "combobox", "aria-haspopup": "listbox", "aria-expanded": "false", "aria-label": placeholder, disabled: one.disabled },
    shown,
  );
  const offered = () =>
    one.type === 3
      ? one.options.map((option) => ({ value: option.value, label: option.label, note: option.description, chosen: option.default }))
      : pickable({ type: KINDS[one.type], channel_types: one.channel_types });
  button.addEventListener("click", () => {
    openMenu(button, offered(), one, (values) => click(message, one, values, button, said));
  });
  return button;
}

async function click(message, one, values, element, said) {
  element.setAttribute("aria-busy", "true");
  said.textContent = "";
  const body = { type: 3, user_id: store.me, message_id: message.id, custom_id: one.custom_id };
  try {
    const made = await sim("interaction", values.length ? { ...body, values } : body);
    const answer = await store.answer(made.id);
    if (answer) explain(answer, made, "");
    else said.textContent = "The application did not respond in time.";
  } catch (error) {
    said.textContent = error.message;
  }
  element.removeAttribute("aria-busy");
}
