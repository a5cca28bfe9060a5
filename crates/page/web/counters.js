// The counters, by the core's names, in the words of people.

import { formatSize } from "./bytes.js";
import { make, setText } from "./dom.js";

/** What is shown: counter, words, what it means, whether it is a count of bytes, and whether more than 0 is bad. */
const SHOWN = [
  ["uartRx", "→ from device", "Bytes read from the device", true],
  ["txAcked", "→ delivered", "Bytes that the server's TCP has acknowledged", true],
  ["upHeld", "→ waiting", "Bytes held for the server", true],
  ["replayed", "→ sent again", "Bytes sent again after a connection was lost", true],
  ["upDropped", "→ dropped", "Bytes given up by the overflow policy", true, true],
  ["sockRx", "← from server", "Bytes read from the server", true],
  ["uartTx", "← to device", "Bytes that the device has taken", true],
  ["downHeld", "← waiting", "Bytes held for the device", true],
  ["downRefused", "← lost", "Bytes that a plain relay sent faster than the device takes them, and that had no place", true, true],
  ["sendDropped", "By hand, lost", "Bytes sent by hand that nobody got before the port was lost or the bridge ended", true, true],
  ["connections", "Connections", "Attempts to connect that succeeded", false],
  ["attempts", "Attempts", "Attempts to connect", false],
  ["failures", "Failures", "Failures in a row: 0 while all is well", false, true],
];

/** Those that begin a line, where there is room for lines: up, down, link. */
const FIRST = ["uartRx", "sockRx", "connections"];

/** A list of counters in a `dl`. */
export class Counters {
  #cells;

  constructor(list) {
    this.#cells = SHOWN.map(([name, words, title, bytes, bad]) => {
      const value = make("dd", {}, "–");
      const cell = make("div", { title, className: FIRST.includes(name) ? "first" : "" }, make("dt", {}, words), value);
      list.append(cell);
      return { name, bytes, bad, value, cell };
    });
    this.show(null);
  }

  /** `stats` may be null: nothing is known. */
  show(stats) {
    for (const { name, bytes, bad, value, cell } of this.#cells) {
      const count = stats ? Number(stats[name] ?? 0) : 0;
      setText(value, !stats ? "–" : bytes ? formatSize(count) : count.toLocaleString("en"));
      cell.toggleAttribute("data-zero", !count);
      cell.toggleAttribute("data-warn", Boolean(bad && count));
    }
  }
}
