import { DOWN, History, UP } from "../web/history.js";
import { fileName, logText } from "../web/log.js";
import { bytes, same, test } from "./check.js";

const history = () => {
  const made = new History(1024, 16);
  made.push(UP, bytes("temp 1\r\n\xff"), Date.UTC(2026, 0, 2, 3, 4, 5, 6));
  made.note("connected to tcp://a:1", Date.UTC(2026, 0, 2, 3, 4, 5, 7));
  made.push(DOWN, Uint8Array.of(0, 1), Date.UTC(2026, 0, 2, 3, 4, 5, 8));
  return made;
};

test("a log says when, which way and what, as the view shows it", () => {
  same([...logText(history(), "text")].join(""), [
    "2026-01-02T03:04:05.006Z  UART → net  temp 1\\r\\n",
    "2026-01-02T03:04:05.006Z  UART → net  ÿ",
    "2026-01-02T03:04:05.007Z  connected to tcp://a:1",
    "2026-01-02T03:04:05.008Z  UART ← net  \\x00\\x01",
    "",
  ].join("\n"));
  same([...logText(history(), "mixed")][0], "2026-01-02T03:04:05.006Z  UART → net  74 65 6d 70 20 31 0d 0a c3 bf                    temp 1····\n");
  same([...logText(history(), "hex")].at(-1), "2026-01-02T03:04:05.008Z  UART ← net  00 01\n");
});

test("a log of very many rows is complete", () => {
  const many = new History(1 << 20, 1 << 10);
  many.push(UP, new Uint8Array(400_000).fill(10), 0);
  same([...logText(many, "text")].length, 400_000);
});

test("a log's file has the time in its name", () => {
  same(fileName(Date.UTC(2026, 0, 2, 3, 4, 5), "txt"), "uartbridge-20260102-030405.txt");
});
