// A history as text: one line for each row, readable and greppable, and exact: escapes stand for what is not text.

import { toAscii, toEscapes, toHex } from "./bytes.js";
import { NOTE, UP } from "./history.js";
import { Rows } from "./rows.js";

/** How many bytes stand on a line of a log at most. */
const COLUMNS = { text: 1024, hex: 32, mixed: 16 };

export const ARROWS = ["→", "←"];

/** The log in parts for a `Blob`; `view` is text, hex or mixed. */
export function* logText(history, view) {
  const rows = new Rows(history, view, COLUMNS[view]);
  let next = rows.first;
  // Record by record, because there may be more rows than `Rows` keeps.
  for (let end = history.first + 1; end <= history.end; end++) {
    rows.update(end);
    for (; next < rows.end - 1; next++) yield `${logLine(history, rows, next, view)}\n`;
  }
  if (next < rows.end) yield `${logLine(history, rows, next, view)}\n`;
}

function logLine(history, rows, row, view) {
  const record = rows.record(row);
  const time = new Date(history.time(record)).toISOString();
  if (history.kind(record) === NOTE) return `${time}  ${history.remark(record).text}`;
  const bytes = history.read(rows.start(row), rows.stop(row));
  const way = history.kind(record) === UP ? "UART → net" : "UART ← net";
  const said = view === "text" ? toEscapes(bytes)
    : view === "hex" ? toHex(bytes)
      : `${toHex(bytes).padEnd(COLUMNS.mixed * 3 - 1)}  ${toAscii(bytes)}`;
  return `${time}  ${way}  ${said}`;
}

/** A name for a file that holds what was recorded until `time`. */
export function fileName(time, extension) {
  return `uartbridge-${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}.${extension}`;
}
