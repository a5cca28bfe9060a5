// The terminal: the rows that are on screen, and no others, so that a megabyte a second costs as little as a line.

import { toAscii, toHex, toText } from "./bytes.js";
import { make } from "./dom.js";
import { DOWN, NOTE, UP } from "./history.js";
import { Rows } from "./rows.js";

/** Rows beyond the edges of the screen, so that scrolling shows no gaps. */
const SPARE = 8;
/** Nearer to the end than this counts as the end: pixels. */
const NEAR = 8;
const WAYS = { [UP]: "up", [DOWN]: "down", [NOTE]: "note" };
const ARROWS = { [UP]: "→", [DOWN]: "←", [NOTE]: "·" };
const TITLES = { [UP]: "device to server", [DOWN]: "server to device", [NOTE]: "remark" };
const CONTROL = /([\u2400-\u2421\ufffd]+)/;

/** Shows a history in an element. `onScroll` hears whether the end is in view. */
export class Terminal {
  #box;
  #onScroll;
  #inner;
  #history;
  #rows;
  #shown = new Map();
  #row = 20;
  #columns = 0;
  #following = true;
  #frozen = null;
  #scrolled = 0;
  #base = 0;
  #short = false;
  #options = { view: "text", stamps: "clock", ends: false };
  #search = null;
  #current = -1;

  constructor(box, history, onScroll = () => {}) {
    this.#box = box;
    this.#history = history;
    this.#inner = make("div", { className: "rows" });
    box.replaceChildren(this.#inner);
    this.#cut();
    this.#onScroll = onScroll;
    box.addEventListener("scroll", () => {
      this.#notice();
      this.#paint();
    }, { passive: true });
    new ResizeObserver(() => {
      if (this.#measure()) this.#cut();
      this.draw();
    }).observe(box);
  }

  /** How bytes are shown: `view` text, hex or mixed; `stamps` clock, start, delta or none; `ends`: show line ends. */
  show(options) {
    Object.assign(this.#options, options);
    this.#measure();
    this.#cut();
    this.draw();
  }

  /** What is marked, and which place of it is the current one. */
  mark(search, current = -1) {
    this.#search = search;
    this.#current = current;
    this.#forgetShown();
    this.#paint();
  }

  /** Holds the view still while recording goes on; or lets it go. */
  freeze(frozen) {
    this.#frozen = frozen ? this.#rows.end : null;
    if (!frozen) this.toEnd();
    this.draw();
  }

  /** Takes up what is new and shows it: once a frame at most. */
  draw() {
    this.#notice();
    const first = this.#rows.first;
    this.#rows.update();
    const gone = this.#rows.first - first;
    const height = (this.#end() - this.#rows.first) * this.#row;
    this.#inner.style.height = `${Math.max(0, height)}px`;
    if (this.#following && this.#frozen === null) this.#scrollTo(this.#box.scrollHeight);
    else if (gone) this.#scrollTo(this.#box.scrollTop - gone * this.#row);
    this.#paint();
  }

  /** Scrolls to the end and stays there. */
  toEnd() {
    this.#following = true;
    this.#scrollTo(this.#box.scrollHeight);
    this.#paint();
  }

  /** Brings the byte at `offset` into the middle, and stays there. */
  reveal(offset) {
    this.#rows.update();
    const row = this.#rows.at(offset) - this.#rows.first;
    this.#following = false;
    this.#scrollTo(Math.max(0, (row + 0.5) * this.#row - this.#box.clientHeight / 2));
    this.#paint();
  }

  /** How many rows there are, and how many elements show them. */
  get size() {
    return { rows: this.#rows.end - this.#rows.first, elements: this.#shown.size };
  }

  #end() {
    return this.#frozen === null ? this.#rows.end : Math.max(this.#rows.first, Math.min(this.#frozen, this.#rows.end));
  }

  /** Whether somebody else has scrolled, and where to. */
  #notice() {
    const box = this.#box;
    if (box.scrollTop === this.#scrolled) return;
    this.#scrolled = box.scrollTop;
    const following = box.scrollHeight - box.clientHeight - box.scrollTop < NEAR;
    if (following === this.#following) return;
    this.#following = following;
    this.#onScroll(following);
  }

  #scrollTo(top) {
    this.#box.scrollTop = top;
    this.#scrolled = this.#box.scrollTop;
  }

  /** Cuts the history into rows anew. */
  #cut() {
    const frozen = this.#frozen === null ? 0 : this.#history.tail;
    this.#rows = new Rows(this.#history, this.#options.view, this.#columns || 80);
    this.#rows.update();
    if (frozen) this.#frozen = this.#rows.end;
    this.#forgetShown();
  }

  #forgetShown() {
    for (const { element } of this.#shown.values()) element.remove();
    this.#shown.clear();
  }

  /** How many bytes fit on a row. Returns true if that has changed. */
  #measure() {
    const probe = make("span", { className: "probe" }, "0".repeat(100));
    this.#inner.append(probe);
    const { width, height } = probe.getBoundingClientRect();
    probe.remove();
    const character = width / 100;
    if (!character || !this.#inner.clientWidth) return false;
    this.#row = Math.round(height) || this.#row;
    const all = Math.floor(this.#inner.clientWidth / character) - 2;
    this.#short = all < 60;
    this.#box.toggleAttribute("data-short", this.#short);
    const free = all - (this.#options.stamps === "none" ? 0 : this.#short ? 10 : 13);
    const widths = { text: free, hex: fit(free + 1, 3, [32, 16, 8, 4]), mixed: fit(this.#short ? free : free - 1, 4, [16, 8, 4]) };
    const columns = Math.max(4, Math.min(512, widths[this.#options.view]));
    const changed = columns !== this.#columns;
    this.#columns = columns;
    return changed;
  }

  /** Makes what is in view exist, and nothing else. Rows keep their elements while they stay, so that a selection stays too. */
  #paint() {
    const rows = this.#rows;
    const top = Math.max(0, this.#box.scrollTop - 4);
    const from = Math.max(rows.first, rows.first + Math.floor(top / this.#row) - SPARE);
    const to = Math.min(this.#end(), from + Math.ceil(this.#box.clientHeight / this.#row) + 2 * SPARE);
    for (const [row, { element }] of this.#shown) {
      if (row < from || row >= to) {
        element.remove();
        this.#shown.delete(row);
      }
    }
    const moved = this.#base !== rows.first;
    this.#base = rows.first;
    for (let row = from; row < to; row++) {
      const length = rows.stop(row) - rows.start(row);
      const before = this.#shown.get(row);
      const fresh = before?.length !== length;
      const element = fresh ? this.#element(row) : before.element;
      if (!before) this.#insert(row, element);
      else if (fresh) before.element.replaceWith(element);
      if (fresh) this.#shown.set(row, { element, length });
      if (fresh || moved) element.style.top = `${(row - rows.first) * this.#row}px`;
    }
  }

  /** In the order of their numbers, so that copying gives lines in order. */
  #insert(row, element) {
    const after = this.#shown.get(row + 1);
    if (after) after.element.before(element);
    else this.#inner.append(element);
  }

  #element(row) {
    const history = this.#history;
    const record = this.#rows.record(row);
    const kind = history.kind(record);
    const element = make("div", { className: "row", dataset: { way: WAYS[kind] } });
    if (this.#options.stamps !== "none") element.append(make("span", { className: "time" }, this.#stamp(row, record)));
    element.append(make("span", { className: "way", title: TITLES[kind] }, ARROWS[kind]));
    const what = make("span", { className: "what" });
    if (kind === NOTE) {
      const { text, tone } = history.remark(record);
      element.dataset.tone = tone;
      what.append(text);
      what.title = text;
    } else {
      this.#fill(what, this.#rows.start(row), this.#rows.stop(row));
    }
    element.append(what);
    return element;
  }

  #stamp(row, record) {
    const time = this.#history.time(record);
    const width = this.#short ? 9 : 12;
    if (this.#options.stamps === "clock") return clock(time).slice(this.#short ? 3 : 0);
    const since = this.#options.stamps === "start" ? this.#history.began
      : this.#history.time(this.#rows.record(Math.max(this.#rows.first, row - 1)));
    return ((time - since) / 1000).toFixed(3).padStart(width);
  }

  #fill(what, start, stop) {
    const { view } = this.#options;
    const parts = this.#parts(start, stop);
    if (view === "text") {
      for (const part of parts) part.wrap(what, this.#text(part, stop));
      return;
    }
    this.#hex(what, parts);
    if (view !== "mixed") return;
    const missing = this.#columns - (stop - start);
    const ascii = make("span", { className: "ascii" });
    what.append(" ".repeat(missing * 3), ascii);
    for (const part of parts) part.wrap(ascii, [toAscii(part.bytes)]);
  }

  #hex(what, parts) {
    for (const [index, part] of parts.entries()) {
      if (index) what.append(" ");
      part.wrap(what, [toHex(part.bytes)]);
    }
  }

  #text(part, stop) {
    let { bytes } = part;
    if (!this.#options.ends && part.stop === stop) {
      let end = bytes.length;
      while (end > 0 && (bytes[end - 1] === 10 || bytes[end - 1] === 13)) end--;
      bytes = bytes.subarray(0, end);
    }
    return toText(bytes).split(CONTROL).map((piece, index) => (index % 2 ? make("span", { className: "ctl" }, piece) : piece));
  }

  /** The bytes of a row, cut where a mark begins or ends. */
  #parts(start, stop) {
    const parts = [];
    const add = (from, to, mark) => {
      if (from < to) parts.push(new Part(this.#history.read(from, to), to, mark));
    };
    let at = start;
    if (this.#search) {
      for (const place of this.#search.between(start, stop)) {
        add(at, Math.max(at, place), "");
        at = Math.min(stop, place + this.#search.length);
        add(Math.max(start, place), at, place === this.#current ? "now" : "found");
      }
    }
    add(at, stop, "");
    return parts;
  }
}

/** Some bytes of a row, marked or not. */
class Part {
  constructor(bytes, stop, mark) {
    this.bytes = bytes;
    this.stop = stop;
    this.mark = mark;
  }

  wrap(parent, content) {
    if (this.mark) parent.append(make("mark", { className: this.mark }, ...content));
    else parent.append(...content);
  }
}

/** The first of `sizes` that fits into `room` characters at `each` of them. */
function fit(room, each, sizes) {
  return sizes.find((size) => size * each <= room) ?? sizes.at(-1);
}

let zone = { minute: NaN, text: "" };

/** Local time with milliseconds; the costly part is done once a minute. */
function clock(time) {
  const minute = Math.floor(time / 60_000);
  if (zone.minute !== minute) {
    const date = new Date(time);
    zone = { minute, text: [date.getHours(), date.getMinutes()].map((n) => String(n).padStart(2, "0")).join(":") };
  }
  return `${zone.text}:${((time - minute * 60_000) / 1000).toFixed(3).padStart(6, "0").slice(0, 6)}`;
}

