// The page begins here: each part takes its place, then the stream is followed.

import { draw as drawClock, showClock } from "./clock_panel.js";
import { showComposer } from "./composer.js";
import { follow } from "./connection.js";
import { demo, findDemo } from "./demo.js";
import { byId, write } from "./dom.js";
import { readyDrawers } from "./drawers.js";
import { showEmpty, showMessages } from "./messages.js";
import { showPeople } from "./people.js";
import { showPlaces } from "./places.js";
import { changeTheme, dress } from "./preferences.js";
import { drawAudit, drawRequests, showRequests } from "./requests.js";
import { store } from "./store.js";
import { openTab, readyTabs } from "./tabs.js";
import { showTimers } from "./timers.js";
import { showTour } from "./tour.js";
import { showTrouble } from "./trouble.js";

dress();
byId("theme").addEventListener("click", changeTheme);
readyDrawers();
readyTabs(byId("tabs"));
byId("tabs").addEventListener("click", () => {
  drawRequests();
  drawAudit();
});
for (const show of [showPlaces, showPeople, showMessages, showEmpty, showComposer, showTimers, showTrouble, showRequests, showClock, showTour]) show();

store.on("demo", () => {
  for (const part of document.querySelectorAll("[data-demo]")) part.hidden = !demo.there;
  if (demo.there) openTab(byId("tab-timers"));
  write(byId("workbench-title"), demo.title || "Behind the scenes");
});
store.on("clock bot", drawClock);

store.onDemo = findDemo;
follow(
  (changes) => store.take(changes),
  (there) => {
    byId("offline").hidden = there;
  },
);
