// The bots' context menus: commands for a message or a person.

import { sim } from "./connection.js";
import { h } from "./dom.js";
import { explain } from "./explain.js";
import { openMenu } from "./menu.js";
import { asked, commands } from "./suggestions.js";
import { store } from "./store.js";

export const [ON_USER, ON_MESSAGE] = [2, 3];

/** A button that opens the menu of apps for `target`, or null when no bot offers one. */
export function apps(kind, target, of) {
  const offered = commands(kind).filter((one) => !one.why);
  if (!offered.length) return null;
  const label = `Apps for ${of}`;
  const button = h("button", { type: "button", class: "apps", "aria-haspopup": "listbox", "aria-expanded": "false", role: "combobox", "aria-label": label }, "Apps");
  const items = offered.map((one) => ({ value: one, label: one.name, note: one.bot.name }));
  button.addEventListener("click", () => openMenu(button, items, {}, ([chosen]) => use(chosen, target)));
  return button;
}

async function use(chosen, target) {
  try {
    const made = await sim("interaction", { ...asked(chosen, []), target });
    explain(made.sessions ? await store.answer(made.id) : null, made, chosen.name);
  } catch (error) {
    store.note(store.place, error.message);
  }
}
