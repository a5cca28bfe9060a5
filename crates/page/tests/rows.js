import { DOWN, History, NOTE, UP } from "../web/history.js";
import { Rows } from "../web/rows.js";
import { bytes, same, test, text } from "./check.js";

const lines = (history, rows) => {
  const out = [];
  for (let row = rows.first; row < rows.end; row++) {
    out.push(history.kind(rows.record(row)) === NOTE ? `(${history.remark(rows.record(row)).text})`
      : text(history.read(rows.start(row), rows.stop(row))));
  }
  return out;
};

test("text breaks after line feeds, hex after so many bytes", () => {
  const history = new History(256, 16);
  history.push(UP, bytes("one\r\ntwo\nthr"), 1);
  for (const [view, expected] of [["text", ["one\r\n", "two\n", "thr"]], ["hex", ["one\r\ntwo", "\nthr"]]]) {
    const rows = new Rows(history, view, 8);
    rows.update();
    same(lines(history, rows), expected, view);
  }
});

test("a line that comes in pieces is one row", () => {
  const history = new History(256, 16);
  const rows = new Rows(history, "text", 80);
  for (const [piece, time] of [["te", 0], ["mp", 400], [" 1\n", 900], ["t", 901]]) {
    history.push(UP, bytes(piece), time);
    rows.update();
  }
  same(lines(history, rows), ["temp 1\n", "t"]);
});

test("another direction, a remark and a pause begin a row", () => {
  const history = new History(256, 16);
  const rows = new Rows(history, "text", 80);
  history.push(UP, bytes("a"), 0);
  history.push(DOWN, bytes("b"), 1);
  history.push(UP, bytes("c"), 2);
  history.note("reset", 3);
  history.push(UP, bytes("d"), 4);
  history.push(UP, bytes("e"), 5000);
  rows.update();
  same(lines(history, rows), ["a", "b", "c", "(reset)", "d", "e"]);
});

test("in hex, packets begin rows", () => {
  const history = new History(256, 16);
  const rows = new Rows(history, "hex", 16);
  history.push(UP, bytes("ab"), 0);
  history.push(UP, bytes("cd"), 10);
  history.push(UP, bytes("ef"), 50);
  rows.update();
  same(lines(history, rows), ["abcd", "ef"]);
});

test("a long row ends neither within a character nor just before its line end", () => {
  const history = new History(256, 16);
  history.push(UP, bytes("abcé\nabcd\r\nabcdef"), 0);
  const rows = new Rows(history, "text", 4);
  rows.update();
  same(lines(history, rows), ["abcé\n", "abcd\r\n", "abcd", "ef"]);
});

test("the row of a byte is found", () => {
  const history = new History(256, 16);
  history.push(UP, bytes("a\nbb\nccc\n"), 0);
  const rows = new Rows(history, "text", 80);
  rows.update();
  same([0, 1, 2, 4, 5, 8].map((offset) => rows.at(offset)), [0, 0, 1, 1, 2, 2]);
});

test("rows of what is forgotten are no rows", () => {
  const history = new History(16, 16);
  const rows = new Rows(history, "text", 80);
  for (let i = 0; i < 10; i++) {
    history.push(UP, bytes(`line ${i}\n`), i);
    rows.update();
  }
  same(lines(history, rows), ["7\n", "line 8\n", "line 9\n"]);
  history.clear();
  rows.update();
  same(rows.end - rows.first, 0);
  history.push(UP, bytes("new\n"), 20);
  rows.update();
  same(lines(history, rows), ["new\n"]);
});

test("rows taken up piece by piece are those taken up at once", () => {
  let seed = 3;
  const random = (n) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  for (const view of ["text", "hex", "mixed"]) {
    const history = new History(1 << 16, 4096);
    const piecemeal = new Rows(history, view, 7);
    let time = 0;
    for (let i = 0; i < 500; i++) {
      time += random(40);
      const said = Uint8Array.from({ length: random(12) }, () => (random(6) ? 32 + random(220) : 10));
      if (random(20)) history.push(random(3) ? UP : DOWN, said, time);
      else history.note("n", time);
      piecemeal.update();
    }
    const atOnce = new Rows(history, view, 7);
    atOnce.update();
    same(lines(history, piecemeal), lines(history, atOnce), view);
  }
});
