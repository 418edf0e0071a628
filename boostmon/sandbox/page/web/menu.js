// The list of a select menu: opens below its button, is used by mouse or keyboard, and closes.

import { h } from "./dom.js";

let number = 0;
let close = () => {};

/** Open a menu under `button`; `limits` has min_values and max_values; `picked` gets the values. */
export function openMenu(button, items, limits, picked) {
  close();
  const most = limits.max_values ?? 1;
  const least = limits.min_values ?? 1;
  const id = `menu-${(number += 1)}`;
  const chosen = new Set(items.filter((one) => one.chosen).map((one) => one.value));
  let active = Math.max(0, items.findIndex((one) => one.chosen));
  const options = items.map((item, index) => option(item, `${id}-${index}`, chosen.has(item.value)));
  const list = h("ul", { id, class: "menu", role: "listbox", "aria-label": button.getAttribute("aria-label"), "aria-multiselectable": most > 1 ? "true" : null }, options);
  const done = most > 1 ? h("button", { type: "button", class: "button primary" }, "Choose these") : null;
  const box = h("div", { class: "menu-box" }, list, done);
  const finish = () => {
    if (chosen.size < least || chosen.size > most) return;
    close();
    picked([...chosen]);
  };
  const toggle = (index) => {
    const { value } = items[index];
    if (most === 1) chosen.clear();
    if (chosen.has(value)) chosen.delete(value);
    else chosen.add(value);
    options.forEach((element, at) => element.setAttribute("aria-selected", String(chosen.has(items[at].value))));
    if (most === 1) finish();
  };
  const move = (to) => {
    options[active]?.classList.remove("active");
    active = Math.min(Math.max(to, 0), items.length - 1);
    options[active]?.classList.add("active");
    options[active]?.scrollIntoView({ block: "nearest" });
    button.setAttribute("aria-activedescendant", options[active]?.id ?? "");
  };
  const keys = (event) => {
    const acts = {
      ArrowDown: () => move(active + 1), ArrowUp: () => move(active - 1), Home: () => move(0), End: () => move(items.length - 1),
      Enter: () => toggle(active), " ": () => toggle(active), Escape: () => close(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  };
  const outside = (event) => {
    if (!box.contains(event.target) && event.target !== button) close();
  };
  close = () => {
    box.remove();
    button.setAttribute("aria-expanded", "false");
    for (const name of ["aria-activedescendant", "aria-controls"]) button.removeAttribute(name);
    button.removeEventListener("keydown", keys);
    document.removeEventListener("pointerdown", outside);
    close = () => {};
  };
  options.forEach((element, index) => element.addEventListener("click", () => toggle(index)));
  done?.addEventListener("click", finish);
  button.addEventListener("keydown", keys);
  document.addEventListener("pointerdown", outside);
  button.after(box);
  button.setAttribute("aria-expanded", "true");
  button.setAttribute("aria-controls", id);
  button.focus();
  move(active);
  box.scrollIntoView({ block: "nearest" });
}

function option(item, id, chosen) {
  return h(
    "li",
    { id, role: "option", class: "suggestion", "aria-selected": String(chosen) },
    h("span", { class: "label" }, item.label),
    item.note ? h("span", { class: "note" }, item.note) : null,
  );
}
