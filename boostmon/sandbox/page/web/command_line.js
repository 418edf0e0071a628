// A command being filled in: one labelled field an option, the required ones first.

import { byId, h } from "./dom.js";
import { listbox } from "./listbox.js";
import { completed, isPicked, meant, narrowed, pickable } from "./suggestions.js";
import { problem, value } from "./values.js";

const PAUSE = 150;

export class CommandLine {
  constructor(chosen, { leave, send, complain }) {
    Object.assign(this, { chosen, leave, send, complain, chips: [] });
    const name = h("button", { type: "button", class: "pill", title: "Leave this command", on: { click: () => leave("") } }, `/${chosen.name}`);
    this.more = this.#field({ name: "more", description: "" }, "option more");
    this.more.label.classList.add("hidden");
    this.element = byId("command-line");
    this.element.replaceChildren(name, this.more.element);
    this.element.setAttribute("aria-label", `Options of /${chosen.name}`);
    for (const option of chosen.options.filter((one) => one.required)) this.#add(option);
    this.#ready();
  }

  /** Options that are not shown yet. */
  get rest() {
    return this.chosen.options.filter((one) => !this.chips.some((chip) => chip.option === one));
  }

  #field(option, kind) {
    const id = `option-${option.name}`;
    const input = h("input", {
      id, type: "text", role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "suggestions", "aria-describedby": "suggest-title",
      "aria-required": option.required ? "true" : null, autocomplete: "off", spellcheck: "false", size: "6", autocapitalize: "off",
    });
    const label = h("label", { for: id }, option.name);
    const chip = { option, input, label, element: h("span", { class: kind }, label, input), item: null };
    input.addEventListener("focus", () => this.#suggest(chip));
    input.addEventListener("blur", () => this.#left(chip));
    input.addEventListener("keydown", (event) => this.#key(event, chip));
    input.addEventListener("input", () => this.#typed(chip));
    return chip;
  }

  #add(option) {
    const chip = this.#field(option, `option${option.required ? "" : " optional"}`);
    chip.element.addEventListener("pointerdown", (event) => {
      if (event.target === chip.input) return;
      event.preventDefault();
      chip.input.focus();
    });
    this.chips.push(chip);
    this.more.element.before(chip.element);
    return chip;
  }

  #ready() {
    const count = this.rest.length;
    const { input } = this.more;
    this.more.element.hidden = Boolean(this.missing());
    input.placeholder = this.missing() ? "" : count ? `Enter sends · ${count} more` : "Enter sends";
    input.setAttribute("aria-label", count ? "Press Enter to send, or choose another option" : "Press Enter to send");
    input.size = Math.max(input.placeholder.length, 4);
  }

  missing() {
    return this.chips.find((chip) => chip.option.required && !chip.input.value);
  }

  /** Go to the first option that is still needed, or to the end. */
  next() {
    (this.missing() ?? this.more).input.focus();
  }

  #typed(chip) {
    chip.item = null;
    chip.input.title = "";
    this.#mark(chip, null);
    this.complain("");
    chip.input.size = Math.max(chip.input.value.length + 1, chip === this.more ? 10 : 6);
    this.#ready();
    this.#suggest(chip);
  }

  #suggest(chip) {
    clearTimeout(this.asking);
    if (chip === this.more) return this.#offerMore();
    const { option, input } = chip;
    const title = `${option.name}: ${option.description}`;
    if (option.autocomplete) return this.#ask(chip, title);
    const typed = chip.item ? "" : input.value;
    const items = narrowed(pickable(option), typed);
    const empty = isPicked(option) ? `Nothing here is called “${typed}”.` : "Type a value.";
    this.#show(chip, items, title, empty);
  }

  #show(chip, items, title, empty, first = 0) {
    listbox.show(chip.input, items, { title, empty, first, picked: (item) => this.pick(chip, item) });
  }

  /** Let the bot complete what is typed, a moment after the last key. */
  #ask(chip, title) {
    if (listbox.field !== chip.input || !listbox.open) this.#show(chip, [], title, "Type, and the bot suggests.");
    else listbox.unmark();
    const number = (this.asked = (this.asked ?? 0) + 1);
    this.asking = setTimeout(async () => {
      const others = this.chips.filter((one) => one !== chip && one.input.value && !problem(one));
      const given = [...others.map(sent), { ...sent(chip), value: chip.input.value, focused: true }];
      const items = await completed(this.chosen, given).catch((error) => this.complain(error.message));
      if (number !== this.asked || document.activeElement !== chip.input || chip.item) return;
      const empty = items ? "The bot suggests nothing for this." : "The bot did not answer with suggestions.";
      this.#show(chip, items ?? [], title, empty, meant(items ?? [], chip.input.value));
    }, PAUSE);
  }

  #offerMore() {
    const typed = this.more.input.value;
    const items = narrowed(this.rest.map((one) => ({ value: one, label: one.name, note: one.description, words: "" })), typed);
    if (!items.length) return listbox.hide();
    const picked = (item) => {
      this.more.input.value = "";
      this.#add(item.value).input.focus();
      this.#ready();
    };
    listbox.show(this.more.input, items, { title: "Optional", picked, first: typed ? 0 : -1 });
  }

  pick(chip, item) {
    chip.item = item;
    chip.input.value = item.label;
    chip.input.title = item.label;
    chip.input.size = Math.max(String(item.label).length, 3);
    if (item.off) return;
    this.#mark(chip, null);
    listbox.hide();
    this.#ready();
    this.next();
  }

  #mark(chip, trouble) {
    chip.element.classList.toggle("wrong", Boolean(trouble));
    chip.input.setAttribute("aria-invalid", String(Boolean(trouble)));
  }

  /** Take what was typed by hand for what it names. */
  #left(chip) {
    listbox.hide();
    clearTimeout(this.asking);
    if (chip === this.more || chip.item || !chip.input.value) return;
    const trouble = problem(chip);
    if (isPicked(chip.option) && !trouble) chip.input.value = chip.item.label;
    this.#mark(chip, trouble);
  }

  #key(event, chip) {
    if (event.isComposing || listbox.key(event)) return;
    const act = KEYS[event.key];
    if (act) act.call(this, event, chip);
  }

  /** The chip before or after another; the end is after the last. */
  beside(chip, step) {
    const all = [...this.chips, this.more];
    return all[all.indexOf(chip) + step];
  }

  back(event, chip) {
    if (chip.input.value) return;
    event.preventDefault();
    const before = this.beside(chip, -1);
    if (chip !== this.more && !chip.option.required) this.#drop(chip);
    if (before) before.input.focus();
    else this.leave(`/${this.chosen.name}`);
  }

  #drop(chip) {
    this.chips = this.chips.filter((one) => one !== chip);
    chip.element.remove();
    this.#ready();
  }

  /** Fill in by name, as if it were typed; what fits nothing stays as it is. */
  fillIn(texts) {
    for (const [name, text] of Object.entries(texts)) {
      const option = this.chosen.options.find((one) => one.name === name);
      const chip = this.chips.find((one) => one.option === option) ?? (option && this.#add(option));
      if (!chip) continue;
      chip.input.value = text;
      chip.input.size = text.length + 1;
      this.#left(chip);
    }
    this.#ready();
    this.next();
  }

  /** Return the options as they go to the bot, or null after saying what is wrong. */
  collect() {
    const filled = this.chips.filter((chip) => chip.input.value || chip.option.required);
    const wrong = filled.map((chip) => [chip, problem(chip)]).find(([, trouble]) => trouble);
    if (!wrong) return filled.map(sent);
    const [chip, trouble] = wrong;
    this.#mark(chip, trouble);
    chip.input.focus();
    listbox.open && !isPicked(chip.option) && listbox.hide();
    this.complain(trouble);
    return null;
  }
}

const sent = (chip) => ({ name: chip.option.name, type: chip.option.type, value: value(chip) });

const KEYS = {
  Enter(event, chip) {
    event.preventDefault();
    if (listbox.chosen) return listbox.picked(listbox.chosen);
    if (chip === this.more && chip.input.value) return this.complain(`There is no other option “${chip.input.value}”.`);
    if (chip !== this.more && !chip.input.value && chip.option.required) return this.collect();
    return this.missing() ? this.next() : this.send();
  },
  Tab(event) {
    if (event.shiftKey || !listbox.chosen || listbox.field !== event.target) return;
    if (listbox.field === this.more.input && !this.more.input.value) return;
    event.preventDefault();
    listbox.picked(listbox.chosen);
  },
  Escape(event) {
    event.preventDefault();
    event.stopPropagation();
    if (listbox.open && listbox.items.length) listbox.hide();
    else this.leave("");
  },
  Backspace(event, chip) {
    this.back(event, chip);
  },
  ArrowLeft(event, chip) {
    if (event.target.selectionStart === 0 && event.target.selectionEnd === 0) this.beside(chip, -1)?.input.focus();
  },
  ArrowRight(event, chip) {
    if (event.target.selectionStart === event.target.value.length) this.beside(chip, 1)?.input.focus();
  },
};
