// The search field: what is looked for, how often it was found, and which place is the current one.

import { parseHex } from "./bytes.js";
import { byId, checked, setText } from "./dom.js";
import { PLACES, Search } from "./search.js";

const encoder = new TextEncoder();

export class Finder {
  #history;
  #terminal;
  #search = null;
  #count = 0;
  #current = -1;

  constructor(history, terminal) {
    this.#history = history;
    this.#terminal = terminal;
    byId("find").addEventListener("input", () => this.again());
    byId("find").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#go(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape" && byId("find").value) {
        byId("find").value = "";
        this.again();
      } else return;
      event.preventDefault();
    });
    byId("find-next").addEventListener("click", () => this.#go(1));
    byId("find-previous").addEventListener("click", () => this.#go(-1));
    this.#say();
  }

  /** Searches from the beginning, for what stands in the field now. */
  again() {
    this.#current = -1;
    this.#count = 0;
    const needle = needleOf(byId("find").value, checked("view"));
    this.#search = needle?.bytes.length ? new Search(this.#history, needle.bytes, needle.fold) : null;
    this.#search?.update();
    this.#mark();
    if (byId("find").value && !needle) setText(byId("found"), "no hex");
  }

  /** Looks through what is new. */
  update() {
    if (!this.#search) return;
    const first = this.#search.places[0];
    this.#search.update();
    const { places } = this.#search;
    if (places.length !== this.#count || places[0] !== first) this.#mark();
  }

  #go(step) {
    const places = this.#search?.places ?? [];
    if (!places.length) return;
    const now = places.indexOf(this.#current);
    const next = now < 0 ? (step > 0 ? 0 : places.length - 1) : (now + step + places.length) % places.length;
    this.#current = places[next];
    this.#mark();
    this.#terminal.reveal(this.#current);
    byId("latest").hidden = false;
  }

  #mark() {
    this.#count = this.#search?.places.length ?? 0;
    this.#terminal.mark(this.#search, this.#current);
    this.#say();
  }

  #say() {
    const none = !this.#count;
    byId("find-next").disabled = byId("find-previous").disabled = none;
    const count = this.#count >= PLACES ? `${PLACES}+` : String(this.#count);
    const now = this.#search?.places.indexOf(this.#current) ?? -1;
    setText(byId("found"), !this.#search ? "" : now < 0 ? count : `${now + 1}/${count}`);
  }
}

/** What is meant: hexadecimal after 0x, and always in the hex view; else text. Null if it should be hexadecimal and is not. */
export function needleOf(text, view) {
  if (!/^0x/i.test(text) && view !== "hex") return { bytes: encoder.encode(text), fold: true };
  try {
    return { bytes: parseHex(text), fold: false };
  } catch {
    return null;
  }
}
