// Rows of the terminal: which bytes stand on which line. Numbers only; what they look like is the terminal's business.

import { NOTE } from "./history.js";

/** Bytes that come later than this do not continue a row: milliseconds, by view. A trickling line is one line. */
const PAUSE = { text: 1000, hex: 20, mixed: 20 };

/** How many rows are kept: browsers stop scrolling beyond some 16 million pixels. */
export const ROWS = 1 << 18;

const LF = 10;
const CR = 13;

/**
 * Cuts a history into rows: in the view `text` after a line feed, in all views after `columns` bytes, where the direction
 * changes and after a pause. Rows have numbers from 0 on, of which `first..end` are kept.
 */
export class Rows {
  #start;
  #length;
  #record;
  #history;
  #done = 0;
  #seen = 0;
  #open = false;

  constructor(history, view, columns, rows = ROWS) {
    this.#history = history;
    this.view = view;
    this.columns = columns;
    this.#start = new Float64Array(rows);
    this.#length = new Uint32Array(rows);
    this.#record = new Float64Array(rows);
    this.first = 0;
    this.end = 0;
    this.#done = history.head;
    this.#seen = history.first;
  }

  /** Takes up what the history has got since, up to the record before `end`. Returns true if there was anything. */
  update(end = this.#history.end) {
    const history = this.#history;
    const before = this.end;
    const done = this.#done;
    if (this.#seen < history.first) this.#seen = history.first;
    if (this.#done < history.head) {
      this.#done = history.head;
      this.#open = false;
    }
    for (let record = Math.max(this.#seen - 1, history.first); record < end; record++) {
      const fresh = record >= this.#seen;
      if (history.kind(record) === NOTE) {
        if (fresh) this.#add(history.start(record), record);
        this.#open = false;
      } else {
        if (fresh && this.#open && !this.#continues(record)) this.#open = false;
        this.#cut(record);
      }
    }
    this.#seen = Math.max(this.#seen, end);
    this.#forget();
    return this.end !== before || this.#done !== done;
  }

  /** The record in which a row begins. */
  record(row) {
    return this.#record[row % this.#record.length];
  }

  /** Offsets of the row's bytes: from here, */
  start(row) {
    return this.#start[row % this.#start.length];
  }

  /** to here. */
  stop(row) {
    return this.start(row) + this.#length[row % this.#length.length];
  }

  /** The row that holds the byte at `offset`, or the first one after it. */
  at(offset) {
    let low = this.first;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.stop(middle) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whether bytes of `record` may stand on the row that is open. */
  #continues(record) {
    const history = this.#history;
    return history.kind(record) === history.kind(record - 1) && record - 1 >= history.first
      && history.time(record) - history.time(record - 1) <= PAUSE[this.view];
  }

  #cut(record) {
    const history = this.#history;
    const stop = history.stop(record);
    const text = this.view === "text";
    while (this.#done < stop) {
      if (!this.#open) this.#add(this.#done, record);
      const slot = (this.end - 1) % this.#length.length;
      let length = this.#length[slot];
      let at = this.#done;
      let closed = false;
      while (at < stop && !closed) {
        const byte = history.byte(at);
        if (length >= this.columns && !(text && this.#overhangs(byte, length))) {
          closed = true;
          break;
        }
        at++;
        length++;
        if (text && byte === LF) closed = true;
      }
      this.#length[slot] = length;
      this.#done = at;
      this.#open = !closed;
    }
  }

  /** A row of text does not end within a character, and a line end that just does not fit makes no row of its own. */
  #overhangs(byte, length) {
    return ((byte & 0xc0) === 0x80 && length < this.columns + 3)
      || ((byte === LF || byte === CR) && length < this.columns + 2);
  }

  #add(offset, record) {
    const slot = this.end % this.#start.length;
    this.#start[slot] = offset;
    this.#length[slot] = 0;
    this.#record[slot] = record;
    this.end++;
    this.#open = true;
    if (this.end - this.first > this.#start.length) this.first++;
  }

  /** Rows of which the history keeps nothing are no rows. */
  #forget() {
    const { first, head } = this.#history;
    while (this.first < this.end) {
      const record = this.record(this.first);
      const gone = record < first || (this.#history.kind(record) !== NOTE && this.stop(this.first) <= head);
      if (!gone) return;
      this.first++;
    }
    this.#open = false;
  }
}
