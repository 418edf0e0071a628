// Making and changing elements; foreign text only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; `props` holds attributes, `class`, `on` (listeners) and `data`. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "colour") element.style.setProperty("--colour", value);
  else element.setAttribute(name, value === true ? "" : value);
}

/** Draw one of the icons of index.html. */
export function icon(name) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("class", "icon");
  drawn.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  drawn.append(use);
  return drawn;
}

export const byId = (id) => document.getElementById(id);

/** Change text only where it differs, so that nothing is laid out in vain. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make `parent` hold one element for each of `items`, in order; elements whose key and signature stay are kept.
 * `make(item)` makes an element; `sign(item)` says what it depends on.
 */
export function fill(parent, items, key, sign, make) {
  const kept = parent.kept ?? (parent.kept = new Map());
  const wanted = new Set(items.map(key));
  for (const [id, one] of kept) {
    if (!wanted.has(id)) {
      one.element.remove();
      kept.delete(id);
    }
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    const signature = sign(item);
    const before = kept.get(id);
    if (before && before.signature === signature) {
      if (before.element === place) place = place.nextElementSibling;
      else parent.insertBefore(before.element, place);
      continue;
    }
    const element = make(item);
    if (before) {
      if (before.element === place) place = place.nextElementSibling;
      before.element.replaceWith(element);
      if (element.nextElementSibling !== place) parent.insertBefore(element, place);
    } else parent.insertBefore(element, place);
    kept.set(id, { element, signature });
  }
}

let announcing = null;
let unsaid = 0;

/** Tell a screen reader of something new, at most once a second. */
export function announce(text) {
  unsaid += 1;
  if (announcing) return;
  announcing = setTimeout(() => {
    byId("announcer").textContent = unsaid > 1 ? `${unsaid} new messages. ${text}` : text;
    announcing = null;
    unsaid = 0;
  }, 1000);
}
