import { compose, formatRate, formatSize, parseEscapes, parseHex, toAscii, toEscapes, toHex, toText } from "../web/bytes.js";
import { bytes, same, test, throws } from "./check.js";

test("hexadecimal is read as people write it", () => {
  for (const written of ["0d0a", "0D 0A", "0x0d,0x0A", "0d:0a", "\\x0d\\x0a", "d a", " 0d\n0a "]) same(parseHex(written), [13, 10], written);
  same(parseHex(""), []);
});

test("hexadecimal that is none is refused in words", async () => {
  await throws(() => parseHex("0g"), /“g” is no hexadecimal digit/);
  await throws(() => parseHex("0d0"), /half a byte/);
});

test("escapes stand for bytes, and the rest is UTF-8", () => {
  same(parseEscapes("AT\\r\\n"), bytes("AT\r\n"));
  same(parseEscapes("\\x00\\xFf\\t\\\\\\0"), [0, 255, 9, 92, 0]);
  same(parseEscapes("é"), [0xc3, 0xa9]);
});

test("an escape that stands for nothing is refused", async () => {
  for (const wrong of ["\\q", "\\x1", "\\xgg", "end\\"]) await throws(() => parseEscapes(wrong), /stands for nothing/);
});

test("what is typed gets its line ending", () => {
  same(compose("AT", "text", "crlf"), bytes("AT\r\n"));
  same(compose("41 54", "hex", "cr"), bytes("AT\r"));
  same(compose("a\\n", "escapes", "none"), bytes("a\n"));
  same(compose("a\\n", "text", "lf"), bytes("a\\n\n"));
  same(compose("", "text", "lf"), [10]);
});

test("bytes are shown as hex, as characters and as text", () => {
  const said = Uint8Array.of(0, 13, 65, 0x7f, 0xff);
  same(toHex(said), "00 0d 41 7f ff");
  same(toAscii(said), "··A··");
  same(toText(said), "␀␍A␡\ufffd");
});

test("a log's text can be turned back into the very bytes", () => {
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  same(parseEscapes(toEscapes(every)), every);
  const mixed = Uint8Array.of(...bytes("né 漢 😀 \\ \"\r\n"), 0xc3, 0xe2, 0x82, 0xf5, 0xed, 0xa0, 0x80);
  same(parseEscapes(toEscapes(mixed)), mixed);
  same(toEscapes(bytes("né\r\n")), "né\\r\\n");
});

test("random bytes survive a log", () => {
  for (let round = 0; round < 200; round++) {
    const random = crypto.getRandomValues(new Uint8Array(round));
    same(parseEscapes(toEscapes(random)), random);
  }
});

test("sizes and rates are short", () => {
  same([0, 10239, 10240, 1 << 20, 5 * 2 ** 30].map(formatSize), ["0 B", "10,239 B", "10.0 KiB", "1.00 MiB", "5.00 GiB"]);
  same([0, 999, 11520, 250000, 1234567].map(formatRate), ["0 B/s", "999 B/s", "11.5 kB/s", "250 kB/s", "1.23 MB/s"]);
});
