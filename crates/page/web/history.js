// What has passed, bounded: a ring of bytes, and a ring of records that say when and which way.

/** Which way bytes went, or that a record is a remark. */
export const UP = 0;
export const DOWN = 1;
export const NOTE = 2;

/** How many bytes and records are kept when nothing else is said. */
export const BYTES = 4 << 20;
export const RECORDS = 1 << 18;

/** Bytes of one direction that come within the same millisecond are one record, up to this many. */
const LARGEST = 65536;

/**
 * Records have numbers from 0 on, of which `first..end` are kept; bytes have offsets, of which `head..tail` are kept.
 * Both only grow, so numbers and offsets stay valid names for as long as what they name is kept.
 */
export class History {
  #bytes;
  #time;
  #start;
  #kind;
  #notes = new Map();

  constructor(bytes = BYTES, records = RECORDS) {
    this.#bytes = new Uint8Array(bytes);
    this.#time = new Float64Array(records);
    this.#start = new Float64Array(records);
    this.#kind = new Uint8Array(records);
    this.first = 0;
    this.end = 0;
    this.head = 0;
    this.tail = 0;
    /** When the first record since the beginning, or since `clear`, was made. */
    this.began = NaN;
  }

  /** Adds bytes that went `kind` (`UP` or `DOWN`) at `time`, in milliseconds since 1970. They are copied. */
  push(kind, bytes, time) {
    const capacity = this.#bytes.length;
    for (let at = 0; at < bytes.length;) {
      const open = this.#joins(kind, time);
      const room = open ? LARGEST - (this.tail - this.start(this.end - 1)) : LARGEST;
      const part = bytes.subarray(at, at + Math.min(room, capacity >> 1));
      this.#makeRoom(part.length, open ? 0 : 1);
      if (!this.#joins(kind, time)) this.#add(kind, time);
      const from = this.tail % capacity;
      const whole = Math.min(part.length, capacity - from);
      this.#bytes.set(part.subarray(0, whole), from);
      this.#bytes.set(part.subarray(whole), 0);
      this.tail += part.length;
      at += part.length;
    }
  }

  /** Adds a remark in words, such as a change of the link's state. `tone` is anything the reader wants back. */
  note(text, time, tone = "") {
    this.#makeRoom(0, 1);
    this.#notes.set(this.end, { text, tone });
    this.#add(NOTE, time);
  }

  /** Forgets everything; numbers and offsets go on. */
  clear() {
    this.first = this.end;
    this.head = this.tail;
    this.#notes.clear();
    this.began = NaN;
  }

  kind(record) {
    return this.#kind[record % this.#kind.length];
  }

  /** Milliseconds since 1970. */
  time(record) {
    return this.#time[record % this.#time.length];
  }

  /** The offset of the first byte of a record that is still kept. */
  start(record) {
    return Math.max(this.head, this.#start[record % this.#start.length]);
  }

  /** The offset behind its last byte. */
  stop(record) {
    return record + 1 < this.end ? Math.max(this.head, this.#start[(record + 1) % this.#start.length]) : this.tail;
  }

  /** The words of a remark: `{text, tone}`. */
  remark(record) {
    return this.#notes.get(record);
  }

  /** A copy of the bytes `from..to`, as far as they are kept. */
  read(from, to) {
    const start = Math.max(from, this.head);
    const length = Math.max(0, Math.min(to, this.tail) - start);
    const out = new Uint8Array(length);
    const at = start % this.#bytes.length;
    const whole = Math.min(length, this.#bytes.length - at);
    out.set(this.#bytes.subarray(at, at + whole));
    out.set(this.#bytes.subarray(0, length - whole), whole);
    return out;
  }

  /** One byte, without a copy. */
  byte(offset) {
    return this.#bytes[offset % this.#bytes.length];
  }

  /** The record that holds the byte at `offset`; `end` if none does. */
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

  /** Whether bytes that go `kind` at `time` belong to the last record. */
  #joins(kind, time) {
    const last = this.end - 1;
    return last >= this.first && this.kind(last) === kind
      && Math.floor(this.time(last)) === Math.floor(time)
      && this.tail - this.start(last) < LARGEST;
  }

  #add(kind, time) {
    const slot = this.end % this.#kind.length;
    this.#kind[slot] = kind;
    this.#time[slot] = time;
    this.#start[slot] = this.tail;
    if (Number.isNaN(this.began)) this.began = time;
    this.end++;
  }

  /** Drops the oldest records until so many bytes and records fit. */
  #makeRoom(bytes, records) {
    while (this.end - this.first > 0
      && (this.tail + bytes - this.head > this.#bytes.length || this.end + records - this.first > this.#kind.length)) {
      const excess = this.tail + bytes - this.head - this.#bytes.length;
      const stop = this.stop(this.first);
      // A record larger than what has to go loses its beginning only.
      if (excess > 0 && stop - this.head > excess && this.end + records - this.first <= this.#kind.length) {
        this.head += excess;
        return;
      }
      this.head = stop;
      this.#notes.delete(this.first);
      this.first++;
    }
  }
}
