// Bytes as people write and read them: hexadecimal, text with escapes, line endings.

/** What a line ending adds, by its name in the page. */
export const ENDINGS = { none: [], cr: [13], lf: [10], crlf: [13, 10] };

const encoder = new TextEncoder();
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Two digits a byte, with `separator` between two bytes. */
export function toHex(bytes, separator = " ") {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += (i ? separator : "") + HEX[bytes[i]];
  return text;
}

/**
 * The bytes that `text` means: two digits a byte; blanks, commas, colons, `0x` and `\x` may stand between them.
 * Throws an `Error` that says what is wrong and where.
 */
export function parseHex(text) {
  const bytes = [];
  for (const [word] of text.matchAll(/[^\s,;:]+/g)) {
    const digits = word.replace(/0x|\\x/gi, "");
    const bad = /[^0-9a-f]/i.exec(digits);
    if (bad) throw new Error(`“${bad[0]}” is no hexadecimal digit: write bytes as 0D 0A or 0d0a`);
    if (digits.length % 2 && digits.length > 1) throw new Error(`“${word}” has half a byte too many: two digits make a byte`);
    if (digits.length === 1) bytes.push(parseInt(digits, 16));
    for (let i = 0; i + 1 < digits.length; i += 2) bytes.push(parseInt(digits.slice(i, i + 2), 16));
  }
  return Uint8Array.from(bytes);
}

const ESCAPES = { r: 13, n: 10, t: 9, 0: 0, "\\": 92, '"': 34, "'": 39 };

/** UTF-8 of `text`, in which \r \n \t \0 \xNN \\ stand for bytes, as in the options of the program. Throws an `Error`. */
export function parseEscapes(text) {
  const parts = text.split(/(\\x[0-9a-f]{2}|\\.|\\$)/i);
  const bytes = [];
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0) bytes.push(...encoder.encode(part));
    else if (/^\\x..$/i.test(part)) bytes.push(parseInt(part.slice(2), 16));
    else if (part[1] in ESCAPES) bytes.push(ESCAPES[part[1]]);
    else throw new Error(`“${part}” stands for nothing: there are \\r \\n \\t \\0 \\xNN and \\\\`);
  }
  return Uint8Array.from(bytes);
}

/** The bytes of what was typed: `format` is text, escapes or hex, `ending` a name in `ENDINGS`. Throws an `Error`. */
export function compose(text, format, ending) {
  const body = format === "hex" ? parseHex(text) : format === "escapes" ? parseEscapes(text) : encoder.encode(text);
  const end = ENDINGS[ending] ?? [];
  const all = new Uint8Array(body.length + end.length);
  all.set(body);
  all.set(end, body.length);
  return all;
}

/** One character for each byte, as in the right-hand column of a hex dump. */
export function toAscii(bytes) {
  let text = "";
  for (const byte of bytes) text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·";
  return text;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 with a visible sign for each control character; `escape` gives that sign (default: Unicode's control pictures). */
export function toText(bytes, escape = picture) {
  // eslint-disable-next-line no-control-regex
  return decoder.decode(bytes).replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => escape(c.charCodeAt(0)));
}

/** Text as a log has it: \r \n \t \xNN for control characters, and \\ for a backslash. */
export function toEscapes(bytes) {
  const names = { 9: "\\t", 10: "\\n", 13: "\\r" };
  let text = "";
  // Bytes that are no UTF-8 must survive the way into a log and back.
  for (const part of splitUtf8(bytes)) {
    text += part.valid
      ? decoder.decode(part.bytes).replaceAll("\\", "\\\\")
        // eslint-disable-next-line no-control-regex
        .replace(/[\x00-\x1f\x7f]/g, (c) => names[c.charCodeAt(0)] ?? `\\x${HEX[c.charCodeAt(0)]}`)
      : toHex(part.bytes, "").replace(/../g, "\\x$&");
  }
  return text;
}

function picture(code) {
  if (code === 127) return "\u2421";
  return code < 32 ? String.fromCharCode(0x2400 + code) : "\ufffd";
}

/** Runs of valid UTF-8, and the single bytes between them. */
function* splitUtf8(bytes) {
  let from = 0;
  for (let i = 0; i < bytes.length;) {
    const length = sequence(bytes, i);
    if (length) {
      i += length;
      continue;
    }
    if (from < i) yield { valid: true, bytes: bytes.subarray(from, i) };
    yield { valid: false, bytes: bytes.subarray(i, i + 1) };
    from = ++i;
  }
  if (from < bytes.length) yield { valid: true, bytes: bytes.subarray(from) };
}

/** The length of the UTF-8 sequence at `at` (RFC 3629 §4), 0 if there is none. */
function sequence(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (!length || at + length > bytes.length) return 0;
  for (let i = 1; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1];
  const wrong = (first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)
    || (first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}

/** 1234567 bytes as “1.18 MiB”; below 10 KiB the count itself. */
export function formatSize(count) {
  if (count < 10240) return `${count.toLocaleString("en")} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)} ${units[unit]}`;
}

/** A count of bytes a second, such as “11.5 kB/s”. */
export function formatRate(perSecond) {
  if (perSecond < 1000) return `${Math.round(perSecond)} B/s`;
  if (perSecond < 1e6) return `${(perSecond / 1e3).toFixed(perSecond < 1e5 ? 1 : 0)} kB/s`;
  return `${(perSecond / 1e6).toFixed(2)} MB/s`;
}
