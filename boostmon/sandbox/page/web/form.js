// A form (modal) that the bot opened: its fields, and sending it off.

import { sim } from "./connection.js";
import { h } from "./dom.js";
import { markdown } from "./markdown.js";
import { pickable } from "./suggestions.js";
import { store } from "./store.js";

const [ROW, TEXT, DISPLAY, LABEL, STRING_SELECT] = [1, 4, 10, 18, 3];
const KINDS = { 5: 6, 6: 8, 7: 9, 8: 7 };

/** Show the form with which an interaction was answered; `done` gets the answer to its sending. */
export function openForm(modal, interactionId, done) {
  const said = h("p", { class: "failed", role: "alert" });
  const parts = modal.components.map(part);
  const form = h("form", {}, h("h2", {}, modal.title), parts, said, buttons(() => dialog.close()));
  const dialog = h("dialog", { class: "form", "aria-label": modal.title }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries([...form.querySelectorAll("[data-field]")].map(filled));
    const user = { type: 5, user_id: store.me, interaction_id: interactionId, fields };
    try {
      const made = await sim("interaction", user);
      dialog.close();
      done(made);
    } catch (error) {
      said.textContent = error.message;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function buttons(cancel) {
  return h(
    "p",
    { class: "buttons" },
    h("button", { type: "button", class: "button plain", on: { click: cancel } }, "Cancel"),
    h("button", { type: "submit", class: "button primary" }, "Submit"),
  );
}

const filled = (field) => [field.dataset.field, field.multiple === undefined || field.tagName === "TEXTAREA" || field.tagName === "INPUT" ? field.value : [...field.selectedOptions].map((one) => one.value)];

function part(one) {
  if (one.type === DISPLAY) return h("div", { class: "text" }, markdown(one.content));
  if (one.type === ROW) return one.components.map((input) => field(input, input.label));
  return one.type === LABEL ? field(one.component, one.label, one.description) : null;
}

function field(one, label, note) {
  const id = `field-${one.custom_id}`;
  const made = one.type === TEXT ? input(one, id) : select(one, id);
  made.dataset.field = one.custom_id;
  return h("p", { class: "form-field" }, h("label", { for: id }, label), note ? h("small", {}, note) : null, made);
}

function input(one, id) {
  const limits = { id, required: one.required ?? true, minlength: one.min_length, maxlength: one.max_length, placeholder: one.placeholder };
  const made = h(one.style === 2 ? "textarea" : "input", one.style === 2 ? { ...limits, rows: 4 } : { ...limits, type: "text" });
  made.value = one.value ?? "";
  return made;
}

function select(one, id) {
  const several = (one.max_values ?? 1) > 1;
  const items = one.type === STRING_SELECT ? one.options : pickable({ type: KINDS[one.type], channel_types: one.channel_types });
  const empty = several ? null : h("option", { value: "", disabled: true, selected: true }, one.placeholder ?? "Choose");
  const options = items.map((item) => h("option", { value: item.value, selected: item.default }, item.label));
  return h("select", { id, multiple: several, required: one.required ?? true }, empty, options);
}
