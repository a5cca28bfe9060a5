// The line at the bottom: what is sent, to whom, and how often.

import { compose } from "./bytes.js";
import { byId, memory } from "./dom.js";
import { every } from "./timers.js";

/** How many lines can be called back with the arrow keys; they are kept only while the tab is open. */
const REMEMBERED = 50;

/** `send(bytes, to)` gets the bytes and `up` or `down`, and returns the count taken. */
export class SayBar {
  #send;
  /** Ends the repetition, if there is one. */
  #repeating = null;
  #said = [];
  #back = -1;

  constructor(send) {
    this.#send = send;
    const { format, ending } = memory.get("say", {});
    if (format) byId("format").value = format;
    if (ending) byId("ending").value = ending;
    for (const id of ["format", "ending"]) {
      byId(id).addEventListener("change", () => memory.set("say", { format: byId("format").value, ending: byId("ending").value }));
    }
    byId("say").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#repeating) this.stop();
      else this.#typed();
    });
    byId("repeat").addEventListener("change", () => this.stop());
    byId("text").addEventListener("keydown", (event) => this.#recall(event));
    byId("text").addEventListener("input", () => this.#complain(""));
  }

  /** Whom there is to send to: nobody, the server only, or both. */
  enable({ up, down }) {
    if (!up) this.stop();
    for (const option of byId("to").options) option.disabled = option.value === "up" ? !up : !down;
    if ((up || down) && byId("to").selectedOptions[0]?.disabled) byId("to").value = down ? "down" : "up";
    for (const id of ["text", "send", "to"]) byId(id).disabled = !up && !down;
    byId("text").placeholder = up || down ? "Type, then Enter" : "Connect first";
  }

  /** Sends what a quick-send button holds. */
  quick({ text, format, ending }) {
    this.#say(text, format, ending);
  }

  /** Ends a repetition. */
  stop() {
    this.#repeating?.();
    this.#repeating = null;
    byId("send").textContent = "Send";
    delete byId("send").dataset.stop;
  }

  #typed() {
    const [text, format, ending] = ["text", "format", "ending"].map((id) => byId(id).value);
    if (!this.#say(text, format, ending)) return;
    if (text && this.#said.at(-1) !== text) this.#said = [...this.#said, text].slice(-REMEMBERED);
    this.#back = -1;
    if (byId("repeat").checked) {
      const pause = Math.min(3_600_000, Math.max(10, Number(byId("every").value) || 1000));
      this.#repeating = every(() => this.#say(text, format, ending) || this.stop(), pause);
      byId("send").textContent = "Stop";
      byId("send").dataset.stop = "";
    } else {
      byId("text").value = "";
    }
  }

  /** True if all was taken. */
  #say(text, format, ending) {
    let bytes;
    try {
      bytes = compose(text, format, ending);
    } catch (error) {
      return this.#complain(error.message);
    }
    if (!bytes.length) return this.#complain("Nothing to send: type something, or choose a line ending");
    const taken = this.#send(bytes, byId("to").value);
    if (taken < bytes.length) {
      return this.#complain(`Only ${taken} of ${bytes.length} bytes were taken: the buffer is full, because the other end does not read`);
    }
    return this.#complain("");
  }

  #complain(text) {
    byId("say-error").textContent = text;
    return !text;
  }

  #recall(event) {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || !this.#said.length) return;
    event.preventDefault();
    this.#back = Math.min(this.#said.length - 1, Math.max(-1, this.#back + step));
    byId("text").value = this.#back < 0 ? "" : this.#said.at(-1 - this.#back);
  }
}
