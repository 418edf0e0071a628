// On narrow screens the side columns are drawers, opened from the header.

import { byId } from "./dom.js";

const DRAWERS = { "open-places": "places", "open-people": "people", "open-workbench": "workbench" };

export function readyDrawers() {
  for (const [button, drawer] of Object.entries(DRAWERS)) {
    byId(button).addEventListener("click", () => toggle(button, drawer));
  }
  byId("shade").addEventListener("click", back);
  for (const one of document.querySelectorAll(".drawer-close")) one.addEventListener("click", back);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") back();
  });
}

/** Close the drawer and go back to the button that opened it. */
function back() {
  const open = openOne();
  closeDrawers();
  if (open) byId(open).focus();
}

const openOne = () => Object.keys(DRAWERS).find((button) => byId(button).getAttribute("aria-expanded") === "true");

function toggle(button, drawer) {
  const opening = byId(button).getAttribute("aria-expanded") !== "true";
  closeDrawers();
  if (!opening) return;
  byId(drawer).classList.add("open");
  byId(button).setAttribute("aria-expanded", "true");
  byId("shade").hidden = false;
  for (const one of byId("frame").children) one.inert = one.id !== drawer;
  byId(drawer).focus();
}

export function closeDrawers() {
  for (const [button, drawer] of Object.entries(DRAWERS)) {
    byId(drawer).classList.remove("open");
    byId(button).setAttribute("aria-expanded", "false");
  }
  byId("shade").hidden = true;
  for (const one of byId("frame").children) one.inert = false;
}
