// Tabs by the ARIA pattern: arrow keys move, only the tab that is open can be reached by Tab.

export function readyTabs(list) {
  const tabs = () => [...list.querySelectorAll("[role=tab]:not([hidden])")];
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) openTab(tab);
  });
  list.addEventListener("keydown", (event) => {
    const all = tabs();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = all[(to + all.length) % all.length];
    openTab(next);
    next.focus();
  });
}

export function openTab(tab) {
  for (const one of tab.closest("[role=tablist]").querySelectorAll("[role=tab]")) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
  }
}
