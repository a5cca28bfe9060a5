import { DOWN, History, UP } from "../web/history.js";
import { Search } from "../web/search.js";
import { Terminal } from "../web/terminal.js";
import { bytes, same, test, until } from "./check.js";

/** A terminal of 600 × 200 pixels over a history. */
async function made(history = new History(), run = () => {}) {
  const box = document.createElement("div");
  box.className = "terminal";
  Object.assign(box.style, { position: "fixed", inset: "auto", left: "0", top: "0", width: "600px", height: "200px" });
  document.body.append(box);
  const scrolled = [];
  const terminal = new Terminal(box, history, (following) => scrolled.push(following));
  try {
    await run({ box, history, terminal, scrolled, lines: () => [...box.querySelectorAll(".what")].map((what) => what.textContent) });
  } finally {
    box.remove();
  }
}

test("the terminal shows rows with time, arrow and direction", () => made(new History(), ({ box, history, terminal }) => {
  history.push(UP, bytes("up\r\n"), new Date(2026, 1, 3, 4, 5, 6, 78).getTime());
  history.push(DOWN, bytes("down\x07\r\n"), 1);
  history.note("closed", 2, "bad");
  terminal.draw();
  same([...box.querySelectorAll(".row")].map((row) => [row.dataset.way, row.querySelector(".way").textContent, row.querySelector(".what").textContent]),
    [["up", "→", "up"], ["down", "←", "down␇"], ["note", "·", "closed"]]);
  same(box.querySelector(".time").textContent.endsWith("05:06.078"), true, box.querySelector(".time").textContent);
  terminal.show({ ends: true, stamps: "none" });
  same([box.querySelectorAll(".what")[0].textContent, box.querySelectorAll(".time").length], ["up␍␊", 0]);
}));

test("what a device says is text, never markup", () => made(new History(), ({ box, history, terminal }) => {
  history.push(UP, bytes("<img src=x onerror=alert(1)><b>\n"), 1);
  history.note("<i>", 1);
  terminal.draw();
  same([box.querySelectorAll("img, b, i").length, box.querySelector(".what").textContent], [0, "<img src=x onerror=alert(1)><b>"]);
}));

test("hex and mixed views show the same bytes", () => made(new History(), ({ history, terminal, lines }) => {
  history.push(UP, bytes("AT\r\n"), 1);
  terminal.show({ view: "hex" });
  same(lines(), ["41 54 0d 0a"]);
  terminal.show({ view: "mixed" });
  same(lines()[0].replace(/ +/g, " "), "41 54 0d 0a AT··");
}));

test("megabytes take a few elements", () => made(new History(), ({ box, history, terminal }) => {
  const chunk = bytes("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(256));
  for (let frame = 0; frame < 240; frame++) {
    history.push(frame % 2 ? UP : DOWN, chunk, frame * 16);
    terminal.draw();
    if (box.querySelectorAll(".row").length > 60) throw new Error(`${box.querySelectorAll(".row").length} rows are elements`);
  }
  same(terminal.size.rows > 60_000, true, `${terminal.size.rows} rows`);
}));

test("the end stays in view until somebody scrolls", () => made(new History(), async ({ box, history, terminal, scrolled }) => {
  const say = (i) => history.push(UP, bytes(`line ${i}\n`), i);
  for (let i = 0; i < 100; i++) say(i);
  terminal.draw();
  const atEnd = () => box.scrollHeight - box.clientHeight - box.scrollTop < 2;
  same(atEnd(), true, "at the end");
  box.scrollTop = 100;
  await until(() => scrolled.at(-1) === false, "the terminal to notice");
  say(100);
  terminal.draw();
  same([atEnd(), box.scrollTop], [false, 100]);
  terminal.toEnd();
  say(101);
  terminal.draw();
  same(atEnd(), true, "at the end again");
}));

test("a view held still grows no further, and shows all when let go", () => made(new History(), ({ history, terminal, lines }) => {
  history.push(UP, bytes("one\n"), 0);
  terminal.draw();
  terminal.freeze(true);
  history.push(UP, bytes("two\n"), 1);
  terminal.draw();
  same(lines(), ["one"]);
  terminal.freeze(false);
  same(lines(), ["one", "two"]);
}));

test("what is searched for is marked, and brought into view", () => made(new History(), ({ box, history, terminal }) => {
  for (let i = 0; i < 1000; i++) history.push(UP, bytes(`line ${i}.\n`), i);
  const search = new Search(history, bytes("LINE 500."), true);
  search.update();
  terminal.draw();
  terminal.mark(search, search.places[0]);
  terminal.reveal(search.places[0]);
  const mark = box.querySelector("mark.now");
  same(mark.textContent, "line 500.");
  const [{ top, bottom }, frame] = [mark.getBoundingClientRect(), box.getBoundingClientRect()];
  same(top > frame.top && bottom < frame.bottom, true, "in view");
}));

test("rows that go do not move what is being read", () => made(new History(1000, 1000), async ({ box, history, terminal, scrolled }) => {
  const say = (i) => history.push(UP, bytes(`line ${String(i).padStart(4, "0")}\n`), i);
  for (let i = 0; i < 100; i++) say(i);
  terminal.draw();
  box.scrollTop = 1000;
  await until(() => scrolled.at(-1) === false, "the terminal to notice");
  const top = () => [...box.querySelectorAll(".row")].find((row) => row.getBoundingClientRect().bottom > box.getBoundingClientRect().top + 4).textContent.slice(-4);
  const before = top();
  for (let i = 100; i < 120; i++) {
    say(i);
    terminal.draw();
  }
  same(top(), before);
}));
