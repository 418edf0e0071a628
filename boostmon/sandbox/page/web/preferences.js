// What this browser remembers of the page: who acts, what is open, the theme, what was read.

const PREFIX = "sandbox:";

export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key));
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing shows the page all the same.
  }
}

/** Put on the theme of choice: "light", "dark", or what the system has. */
export function dress(theme = recall("theme")) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** Change between light and dark. */
export function changeTheme() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const next = dark ? "light" : "dark";
  remember("theme", next);
  dress(next);
}
