// What an app does with the bot's answer, or with its silence.

import { openForm } from "./form.js";
import { store } from "./store.js";

/** Open the form that the bot answered with; say so when it did not answer. */
export function explain(answer, made, name) {
  if (!answer) {
    const why = made.sessions ? "The application did not respond." : "The application did not respond: no bot is connected.";
    store.note(made.channel_id, `${name}: ${why}`);
  } else if (answer.modal) {
    openForm(answer.modal, made.id, async (sent) => explain(await store.answer(sent.id), sent, answer.modal.title));
  }
}
