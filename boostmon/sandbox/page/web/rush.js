// A rush: one command again and again, fifty a second, with what came of them.

import { sim } from "./connection.js";
import { store } from "./store.js";

const A_SECOND = 50;
const SECONDS = 10;

let running = false;

/** Repeat `body`; `tell` gets a line of numbers once a second and at the end. */
export async function rush(body, tell, { rate = A_SECOND, seconds = SECONDS } = {}) {
  if (running || !body) return null;
  running = true;
  const took = [];
  const count = { sent: 0, answered: 0, failed: 0 };
  const started = performance.now();
  const all = [];
  for (let number = 0; number < rate * seconds; number += 1) {
    const due = started + (number * 1000) / rate;
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    all.push(one(body, count, took));
    if (number % rate === 0) tell(line(count, took));
  }
  const sending = (performance.now() - started) / 1000;
  await Promise.all(all);
  running = false;
  const told = line(count, took);
  tell(`${told} Sent at ${Math.round(count.sent / sending)} a second.`);
  return { ...count, sending, median: at(took, 0.5), slowest: at(took, 1) };
}

async function one(body, count, took) {
  count.sent += 1;
  const began = performance.now();
  try {
    const made = await sim("interaction", body);
    const answer = await store.answer(made.id);
    if (answer) took.push(performance.now() - began);
    count[answer ? "answered" : "failed"] += 1;
  } catch {
    count.failed += 1;
  }
}

const at = (took, share) => {
  const sorted = took.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
};

const line = (count, took) =>
  `${count.sent} sent, ${count.answered} answered, ${count.failed} not. Half within ${at(took, 0.5)} ms, all within ${at(took, 1)} ms.`;
