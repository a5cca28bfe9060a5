// The few things that every module does to the document.

/** The element with this id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new element with properties; children are elements or text, never markup. */
export function make(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

/** Sets a text only where it changes, so that nothing is laid out again for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The value of the checked radio button of this name. */
export function checked(name) {
  return document.querySelector(`input[name="${name}"]:checked`).value;
}

/** Offers a file to be saved. */
export function save(parts, name, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** What is remembered in this browser; nothing secret is ever given to it. */
export const memory = {
  get(key, fallback) {
    try {
      return JSON.parse(localStorage.getItem(`uartbridge.${key}`)) ?? fallback;
    } catch {
      return fallback;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`uartbridge.${key}`, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing: the page works all the same.
    }
  },
};
