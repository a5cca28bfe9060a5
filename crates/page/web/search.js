// Finding bytes in the history, piece by piece as it grows.

import { NOTE } from "./history.js";

/** More places than this are not counted: nobody looks at them one by one. */
export const PLACES = 10000;

/** Finds a needle in a history. Upper and lower case of ASCII letters are the same, except in a search for hexadecimal. */
export class Search {
  #history;
  #needle;
  #fold;
  #done = 0;

  /** Offsets of the first bytes of what was found, oldest first. */
  places = [];

  constructor(history, needle, fold) {
    this.#history = history;
    this.#fold = fold;
    this.#needle = fold ? needle.map(lower) : needle;
  }

  get length() {
    return this.#needle.length;
  }

  /** Looks through what the history has got since, and forgets places that it has dropped. */
  update() {
    const { head, tail } = this.#history;
    const length = this.#needle.length;
    let gone = 0;
    while (gone < this.places.length && this.places[gone] < head) gone++;
    if (gone) this.places.splice(0, gone);
    if (!length) return;
    let at = Math.max(this.#done, head);
    for (; at + length <= tail && this.places.length < PLACES; at++) {
      if (this.#matches(at)) {
        this.places.push(at);
        at += length - 1;
      }
    }
    this.#done = at;
  }

  /** The places between two offsets; what begins before and ends behind the first one is among them. */
  *between(from, to) {
    let low = 0;
    let high = this.places.length;
    const length = this.#needle.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle] + length > from) high = middle;
      else low = middle + 1;
    }
    for (; low < this.places.length && this.places[low] < to; low++) yield this.places[low];
  }

  #matches(at) {
    const history = this.#history;
    for (let i = 0; i < this.#needle.length; i++) {
      const byte = history.byte(at + i);
      if ((this.#fold ? lower(byte) : byte) !== this.#needle[i]) return false;
    }
    return this.#oneWay(at);
  }

  /** What one side said and the other went on with is no place. */
  #oneWay(at) {
    const history = this.#history;
    const first = history.at(at);
    const last = history.at(at + this.#needle.length - 1);
    const kind = history.kind(first);
    for (let record = first + 1; record <= last; record++) {
      if (history.kind(record) !== kind && history.kind(record) !== NOTE) return false;
    }
    return true;
  }
}

function lower(byte) {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}
