// What a field of a command stands for, and what is wrong with it, in words.

import { CHANNEL, INTEGER, isPicked, MENTIONABLE, NUMBER, pickable, ROLE, STRING, USER } from "./suggestions.js";

const KINDS = { [USER]: "member", [ROLE]: "role", [CHANNEL]: "channel", [MENTIONABLE]: "member or role" };

/** Find the one item that the text names exactly. */
function named(option, text) {
  const wanted = text.trim().replace(/^[@#&]+/, "").toLowerCase();
  const items = pickable(option);
  return (
    items.find((one) => String(one.label).toLowerCase() === wanted) ??
    items.find((one) => String(one.words).toLowerCase().split(" ").includes(wanted)) ??
    null
  );
}

/** Return what is wrong with a field, or null; a text that names something is taken for it. */
export function problem(chip) {
  const { option, input } = chip;
  const text = input.value;
  if (!text) return option.required ? `${option.name} is required.` : null;
  if (isPicked(option)) {
    chip.item ??= named(option, text);
    return chip.item ? null : `Choose a ${KINDS[option.type] ?? "value"} from the list for ${option.name}.`;
  }
  if (option.type === INTEGER && !/^-?\d+$/.test(text)) return `${option.name} is a whole number.`;
  if (option.type === NUMBER && !Number.isFinite(Number(text))) return `${option.name} is a number.`;
  return outside(option, option.type === STRING ? String(value(chip)) : Number(text));
}

function outside(option, given) {
  const text = option.type === STRING;
  const size = text ? given.length : given;
  const [low, high] = text ? [option.min_length, option.max_length] : [option.min_value, option.max_value];
  const unit = text ? " characters" : "";
  if (low !== undefined && low !== null && size < low) return `${option.name} is at least ${low}${unit}.`;
  if (high !== undefined && high !== null && size > high) return `${option.name} is at most ${high}${unit}.`;
  return null;
}

/** Return the value as it goes to the bot. */
export function value(chip) {
  const { option, input, item } = chip;
  if (item) return item.value;
  return option.type === INTEGER || option.type === NUMBER ? Number(input.value) : input.value;
}
