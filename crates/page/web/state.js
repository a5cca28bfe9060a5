// The state in words, as seen and as heard.

import { byId, setText } from "./dom.js";
import { duration } from "./words.js";

/** A screen reader is told no more often than this, in milliseconds, and then only the latest. */
const SPOKEN = 3000;

export class State {
  #since = NaN;
  #tone = "idle";
  #told = 0;
  #next = "";
  #timer = 0;

  /** The link's state: `tone` is idle, busy, good or bad; `time` when it began, in milliseconds since 1970. */
  set(tone, text, time) {
    this.#tone = tone;
    this.#since = time;
    byId("state").dataset.tone = tone;
    byId("chain").dataset.tone = tone;
    setText(byId("state-text"), text);
    // All that is seen of a hidden tab.
    document.title = tone === "idle" ? "uartbridge" : `${text.split(";")[0]} · uartbridge`;
    this.refresh(Date.now());
    this.#tell(text);
  }

  /** The device's state changes nothing of the link's, but is told. */
  device(tone, text) {
    byId("chain-device").dataset.tone = tone;
    if (tone === "bad") this.#tell(text);
  }

  /** Says for how long it has been so. */
  refresh(now) {
    const shown = this.#tone !== "idle" && now - this.#since >= 1000;
    setText(byId("state-since"), shown ? `for ${duration(now - this.#since)}` : "");
  }

  #tell(text) {
    this.#next = text;
    if (this.#timer) return;
    const wait = Math.max(0, this.#told + SPOKEN - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#told = Date.now();
      setText(byId("announce"), this.#next);
    }, wait);
  }
}
