// The demo's clock: what time it shows, how fast it runs, pause, and the way to what is due next.

import { absolute, amount, clock, everyTick } from "./clock.js";
import { demo, setDemoClock } from "./demo.js";
import { byId, write } from "./dom.js";

const SPEEDS = [1, 60, 600, 3600];

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "long" });

export function showClock() {
  for (const speed of SPEEDS) {
    byId(`speed-${speed}`).addEventListener("click", () => set({ speed }));
  }
  byId("pause").addEventListener("click", () => set({ paused: demo.clock?.speed !== 0 }));
  byId("skip").addEventListener("click", () => set({ skip: true }));
  everyTick(draw);
}

async function set(body) {
  write(byId("clock-said"), "");
  try {
    await setDemoClock(body);
  } catch (error) {
    write(byId("clock-said"), error.message);
  }
}

export function draw() {
  if (!demo.clock) return;
  const now = clock.now();
  const { speed, next_due_at: due } = demo.clock;
  write(byId("clock-time"), time.format(now));
  const odd = speed && !SPEEDS.includes(speed) ? ` · ${speed}×` : "";
  write(byId("clock-day"), day.format(now) + odd);
  byId("pause").setAttribute("aria-pressed", String(speed === 0));
  for (const one of SPEEDS) byId(`speed-${one}`).setAttribute("aria-pressed", String(speed === one));
  const next = due ? `Next thing due ${due > now ? `in ${amount(due - now)}` : "now"}` : "Nothing is due";
  const stopped = demo.bot === "stopped";
  write(byId("clock-next"), stopped ? `${next}; the bot is stopped` : next);
  byId("clock-next").title = due ? absolute(due, "F") : "";
  byId("skip").disabled = !due || stopped;
  byId("clock").classList.toggle("paused", speed === 0);
}
