// Quick-send buttons: what is often sent, kept in this browser.

import { byId, make, memory } from "./dom.js";

const DEFAULTS = [
  { name: "AT", text: "AT", format: "text", ending: "crlf" },
  { name: "Who", text: "ATI", format: "text", ending: "crlf" },
  { name: "Help", text: "AT+HELP", format: "text", ending: "crlf" },
  { name: "Temperature", text: "AT+TEMP?", format: "text", ending: "crlf" },
  { name: "Burst 100 kB", text: "AT+FLOOD=100000", format: "text", ending: "crlf" },
];
const FORMATS = [["text", "Text"], ["escapes", "Text with \\n"], ["hex", "Hex"]];
const ENDINGS = [["crlf", "+ CR LF"], ["cr", "+ CR"], ["lf", "+ LF"], ["none", "+ nothing"]];

/** The row of buttons; `onSend` gets what is behind the one that was pressed. */
export class QuickSend {
  #bar;
  #onSend;
  #items;
  #list = byId("quick-list");

  constructor(bar, onSend) {
    this.#bar = bar;
    this.#onSend = onSend;
    this.#items = sound(memory.get("quick", DEFAULTS));
    this.#show();
    byId("quick-add").addEventListener("click", () => {
      this.#list.append(this.#row({ name: "", text: "", format: "text", ending: "crlf" }));
      this.#list.lastChild.querySelector("input").focus();
    });
    byId("quick-defaults").addEventListener("click", () => this.#fill(DEFAULTS));
    byId("quick-cancel").addEventListener("click", () => byId("quick-dialog").close("cancel"));
    byId("quick-form").addEventListener("submit", () => this.#keep());
  }

  /** Buttons work only while there is somebody to send to. */
  enable(enabled) {
    for (const button of this.#bar.querySelectorAll("button:not(.edit)")) button.disabled = !enabled;
  }

  #show() {
    const buttons = this.#items.map((item) => {
      const button = make("button", { type: "button", title: item.text }, item.name || item.text);
      button.addEventListener("click", () => this.#onSend(item));
      return button;
    });
    const edit = make("button", { type: "button", className: "edit" }, "Edit…");
    edit.addEventListener("click", () => {
      this.#fill(this.#items);
      byId("quick-dialog").showModal();
    });
    this.#bar.replaceChildren(...buttons, edit);
  }

  #fill(items) {
    this.#list.replaceChildren(...items.map((item) => this.#row(item)));
  }

  #row(item) {
    const name = make("input", { value: item.name, placeholder: "Name", name: "name", ariaLabel: "Name", maxLength: 40 });
    const text = make("input", { value: item.text, placeholder: "What to send", className: "content", name: "text", ariaLabel: "What to send", spellcheck: false });
    const format = choice(FORMATS, item.format, "format", "Written as");
    const ending = choice(ENDINGS, item.ending, "ending", "Line ending");
    const up = make("button", { type: "button", ariaLabel: "Move up", title: "Move up" }, "↑");
    const remove = make("button", { type: "button", ariaLabel: "Remove", title: "Remove" }, "✕");
    const row = make("li", {}, name, text, format, ending, up, remove);
    up.addEventListener("click", () => row.previousElementSibling?.before(row));
    remove.addEventListener("click", () => row.remove());
    return row;
  }

  #keep() {
    const value = (row, name) => row.querySelector(`[name="${name}"]`).value;
    this.#items = [...this.#list.children]
      .map((row) => Object.fromEntries(["name", "text", "format", "ending"].map((name) => [name, value(row, name)])))
      .filter(({ text }) => text);
    memory.set("quick", this.#items);
    const enabled = !this.#bar.querySelector("button:not(.edit)")?.disabled;
    this.#show();
    this.enable(enabled);
  }
}

/** What was kept may be of another version, or from somebody's hands. */
function sound(items) {
  if (!Array.isArray(items)) return DEFAULTS;
  return items.filter((item) => item && ["name", "text", "format", "ending"].every((key) => typeof item[key] === "string"));
}

function choice(options, chosen, name, label) {
  const select = make("select", { name, ariaLabel: label }, ...options.map(([value, text]) => make("option", { value }, text)));
  select.value = chosen;
  return select;
}
