// Small helpers for the page's elements, and for how numbers are written.

/** An element with properties, `data-` attributes and children. */
export function element(name, { data = {}, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

/**
 * Makes the children of `parent` match `things`, and keeps an element as long as its key is there,
 * so that the focus and the reader's place stay. `fill` writes a thing into its element.
 */
export function keyed(parent, things, keyOf, make, fill) {
  const old = new Map([...parent.children].map((child) => [child.dataset.id, child]));
  let before = parent.firstElementChild;
  for (const thing of things) {
    const key = String(keyOf(thing));
    let child = old.get(key);
    if (child) {
      old.delete(key);
    } else {
      child = make(thing);
      child.dataset.id = key;
    }
    fill(child, thing);
    if (child === before) {
      before = before.nextElementSibling;
    } else {
      parent.insertBefore(child, before);
    }
  }
  old.forEach((child) => child.remove());
}

/** Sets a text only if it differs, so that a selection in it stays. */
export function say(target, text) {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

const whole = new Intl.NumberFormat("en");

export function count(number) {
  return whole.format(number);
}

/** A time span: `0.8 ms`, `214 ms`, `7.31 s`, `4 min 02 s`. */
export function span(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** How long ago something was. */
export function ago(ms) {
  if (ms < 1_000) return "now";
  if (ms < 60_000) return `${Math.floor(ms / 1_000)} s ago`;
  return `${Math.floor(ms / 60_000)} min ago`;
}
