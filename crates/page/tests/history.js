import { DOWN, History, NOTE, UP } from "../web/history.js";
import { bytes, same, test, text } from "./check.js";

const all = (history) => {
  const out = [];
  for (let record = history.first; record < history.end; record++) {
    out.push(history.kind(record) === NOTE ? history.remark(record).text
      : [history.kind(record), history.time(record), text(history.read(history.start(record), history.stop(record)))]);
  }
  return out;
};

test("a history gives back what was put in, in order", () => {
  const history = new History(64, 16);
  history.push(UP, bytes("one"), 1);
  history.note("connected", 2);
  history.push(DOWN, bytes("two"), 3);
  same(all(history), [[UP, 1, "one"], "connected", [DOWN, 3, "two"]]);
  same(history.began, 1);
});

test("bytes of one direction and one millisecond are one record", () => {
  const history = new History(64, 16);
  for (const [kind, said, time] of [[UP, "a", 5.1], [UP, "b", 5.9], [DOWN, "c", 5.9], [UP, "d", 5.9], [UP, "e", 6]]) {
    history.push(kind, bytes(said), time);
  }
  same(all(history).map(([, , said]) => said), ["ab", "c", "d", "e"]);
});

test("the oldest bytes go when there is no room, a record's beginning first", () => {
  const history = new History(8, 16);
  history.push(UP, bytes("abcdef"), 1);
  history.push(UP, bytes("ghij"), 2);
  same(all(history), [[UP, 1, "cdef"], [UP, 2, "ghij"]]);
  history.push(DOWN, bytes("0123456"), 3);
  same(all(history), [[UP, 2, "j"], [DOWN, 3, "0123456"]]);
});

test("more at once than fits leaves the end of it", () => {
  const history = new History(8, 16);
  history.push(UP, bytes("abcdefghijklmnopqrstuvwxyz"), 1);
  same(all(history), [[UP, 1, "stuvwxyz"]]);
});

test("the oldest records go when there are too many, remarks with them", () => {
  const history = new History(64, 4);
  for (let i = 0; i < 10; i++) {
    history.note(`n${i}`, i);
    history.push(UP, bytes(String(i)), i);
  }
  same(all(history), ["n8", [UP, 8, "8"], "n9", [UP, 9, "9"]]);
});

test("a byte's record is found by its offset", () => {
  const history = new History(64, 16);
  history.push(UP, bytes("abc"), 1);
  history.note("x", 1);
  history.push(UP, bytes("de"), 2);
  same([0, 2, 3, 4, 5].map((offset) => history.at(offset)), [0, 0, 2, 2, 3]);
});

test("what was cleared is gone, and what comes next is there", () => {
  const history = new History(64, 16);
  history.push(UP, bytes("abc"), 1);
  history.clear();
  same(all(history), []);
  history.push(UP, bytes("d"), 1);
  same(all(history), [[UP, 1, "d"]]);
});

/** The same operations on arrays without bound, of which the end must be what the ring holds. */
test("a long random life agrees with a simple one", () => {
  let seed = 7;
  const random = (n) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  const history = new History(97, 13);
  const [said, ways] = [[], []];
  for (let step = 0; step < 3000; step++) {
    const part = Uint8Array.from({ length: random(random(10) ? 20 : 150) }, () => random(256));
    const way = random(2);
    if (random(5)) {
      history.push(way, part, random(4) + step);
      for (const byte of part) {
        said.push(byte);
        ways.push(way);
      }
    } else history.note("n", step);
    same(history.tail, said.length, "tail");
    if (history.tail - history.head > 97 || history.end - history.first > 13) throw new Error("beyond its bounds");
    same(history.read(history.head, history.tail), said.slice(history.head), `step ${step}`);
    let offset = history.head;
    for (let record = history.first; record < history.end; record++) {
      same(history.start(record), offset, `step ${step}: no gap before record ${record}`);
      offset = history.stop(record);
      if (history.kind(record) === NOTE) same(history.start(record), offset, "a remark has no bytes");
      else for (let i = history.start(record); i < offset; i++) same(ways[i], history.kind(record), "direction");
    }
    same(offset, history.tail, "the last record ends at the tail");
  }
});
