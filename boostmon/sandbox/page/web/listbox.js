// The list above the composer: one list for commands and for every option.

import { byId, h } from "./dom.js";

export const listbox = {
  items: [],
  active: -1,
  field: null,

  get open() {
    return !byId("suggest-box").hidden;
  },

  get chosen() {
    return this.open ? this.items[this.active] : undefined;
  },

  /** Show items for a field, the one at `first` active (-1: none); `picked` is called with the one chosen. */
  show(field, items, { title, empty, picked, first = 0 }) {
    this.expand(false);
    this.field?.removeAttribute("aria-activedescendant");
    Object.assign(this, { items, field, picked, active: -1 });
    byId("suggest-title").textContent = title ?? "";
    byId("suggest-empty").textContent = items.length ? "" : (empty ?? "");
    byId("suggestions").setAttribute("aria-label", title ?? "Suggestions");
    byId("suggestions").replaceChildren(...items.map((item, index) => this.draw(item, index)));
    byId("suggestions").hidden = !items.length;
    byId("suggest-box").hidden = !items.length && !empty;
    this.expand(items.length > 0);
    if (items.length && first >= 0) this.move(first);
  },

  /** Say to a screen reader whether the list is open; a field of several lines cannot say so. */
  expand(open) {
    if (this.field?.getAttribute("role") === "combobox") this.field.setAttribute("aria-expanded", String(open));
  },

  draw(item, index) {
    const pick = (event) => {
      event.preventDefault();
      this.active = index;
      this.picked(item);
    };
    return h(
      "li",
      { id: `suggestion-${index}`, role: "option", class: `suggestion${item.off ? " off" : ""}`, "aria-selected": "false", "aria-disabled": item.off ? "true" : null, on: { mousedown: pick, pointermove: () => this.active !== index && this.move(index, false) } },
      item.icon?.(),
      h("span", { class: "label" }, String(item.label)),
      item.note ? h("span", { class: "note" }, item.note) : null,
    );
  },

  /** Make the item at `index` the active one; it wraps around. */
  move(index, scroll = true) {
    const options = byId("suggestions").children;
    options[this.active]?.setAttribute("aria-selected", "false");
    this.active = (index + this.items.length) % this.items.length;
    const now = options[this.active];
    now?.setAttribute("aria-selected", "true");
    if (scroll) now?.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", now?.id ?? "");
  },

  /** Make no item the active one: what is shown is not yet for what is typed. */
  unmark() {
    byId("suggestions").children[this.active]?.setAttribute("aria-selected", "false");
    this.field.removeAttribute("aria-activedescendant");
    this.active = -1;
  },

  hide() {
    byId("suggest-box").hidden = true;
    this.expand(false);
    this.field?.removeAttribute("aria-activedescendant");
    this.items = [];
    this.active = -1;
  },

  /** Use a key for the list; say whether it was one of its keys. */
  key(event) {
    if (!this.open || !this.items.length) return false;
    if (event.key === "ArrowDown") this.move(this.active + 1);
    else if (event.key === "ArrowUp") this.move(this.active < 0 ? this.items.length - 1 : this.active - 1);
    else if (event.key === "PageDown") this.move(Math.min(this.active + 8, this.items.length - 1));
    else if (event.key === "PageUp") this.move(Math.max(this.active - 8, 0));
    else return false;
    event.preventDefault();
    return true;
  },
};
