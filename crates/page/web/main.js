// The page: puts setup, session, terminal and the rest together.

import { formatSize } from "./bytes.js";
import { Counters } from "./counters.js";
import { byId, checked, memory, save, setText } from "./dom.js";
import { DOWN, History, UP } from "./history.js";
import { fileName, logText } from "./log.js";
import { pcapng } from "./pcapng.js";
import { Plot, Traffic } from "./plot.js";
import { Ports } from "./ports.js";
import { watchPresence } from "./presence.js";
import { QuickSend } from "./quick.js";
import { SayBar } from "./say.js";
import { Finder } from "./finder.js";
import { BridgeSession, NoWasm, WatchSession, loadBridge } from "./sessions.js";
import { BadOption, Setup, fromAddress, ownSocket } from "./setup.js";
import { State } from "./state.js";
import { Terminal } from "./terminal.js";
import { NO_TOKEN, sentence, toneOf, whyEnded } from "./words.js";

/** How often counters and plot are brought up to date, in milliseconds; with reduced motion, less often. */
const SLOW = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 250;
const narrow = matchMedia("(max-width: 820px)");

const address = fromAddress();
const history = new History();
const traffic = new Traffic();
const state = new State();
const terminal = new Terminal(byId("terminal"), history, (following) => { byId("latest").hidden = following; });
const finder = new Finder(history, terminal);
const counters = new Counters(byId("counters"));
const plot = new Plot(byId("plot"), { up: byId("rate-up"), down: byId("rate-down"), peak: byId("plot-peak") }, traffic);
const setup = new Setup(byId("setup"), address);
const ports = new Ports(byId("port"), byId("add-port"), byId("no-serial"), trouble);
const say = new SayBar(send);
const quick = new QuickSend(byId("quick"), (item) => say.quick(item));

/** The session that runs, if one does. */
let session = null;
/** The session that runs, or the last one that did: what happened is kept until the next one begins. */
let traced = null;
let stopping = false;
let heldBack = 0;
let frame = 0;

byId("setup").addEventListener("submit", (event) => {
  event.preventDefault();
  if (session) stop();
  else connect();
});
byId("setup").addEventListener("change", describe);
byId("toggle-setup").addEventListener("click", () => showSetup(byId("setup").hidden));
byId("trouble-close").addEventListener("click", () => trouble(""));
byId("trouble-act").addEventListener("click", retryPort);
byId("latest").addEventListener("click", () => {
  terminal.toEnd();
  byId("latest").hidden = true;
});
byId("pause").addEventListener("click", () => pause(byId("pause").ariaPressed !== "true"));
byId("clear").addEventListener("click", clear);
byId("save-text").addEventListener("click", () => {
  save([...logText(history, checked("view"))], fileName(Date.now(), "txt"), "text/plain");
});
byId("save-pcapng").addEventListener("click", () => {
  const about = { name: setup.mode === "watch" ? "demo" : ports.chosen.name, description: `UART ${setup.lineWords()}` };
  save(pcapng(history, about), fileName(Date.now(), "pcapng"), "application/x-pcapng");
});
byId("save-trace").addEventListener("click", () => {
  const bytes = traced?.trace();
  if (bytes) save([bytes], fileName(Date.now(), "trace"), "application/octet-stream");
});
for (const control of [...document.querySelectorAll('input[name="view"]'), byId("stamps"), byId("ends")]) {
  control.addEventListener("change", look);
}
addEventListener("beforeunload", (event) => {
  // What is held here is lost with the tab: the browser asks.
  if (session?.canSendDown && Number(session.stats()?.upHeld ?? 0) > 0) event.preventDefault();
});
watchPresence((text, tone) => { if (session) remark(text, Date.now(), tone); });
// Slow things go by the clock, also while the tab is hidden; drawing goes by frames, which come only while it is seen.
setInterval(refresh, SLOW);

restoreLook();
await ports.refresh();
enable();
describe();
refresh();
await loadBridge().catch(missing);
if (document.wasDiscarded) trouble("The browser had thrown this tab away to save memory: its session and its log are gone. Connect again, and exempt this site from that.");
if (address.watch && address.token) connect();

/** Starts what the form says. */
async function connect() {
  trouble("");
  if (!byId("setup").reportValidity()) return;
  const watch = setup.mode === "watch";
  try {
    session = watch ? watching() : await bridging();
  } catch (error) {
    refuse(error);
    return;
  }
  traced = session;
  stopping = false;
  traffic.advance(Date.now());
  setup.lock(true);
  enable();
  if (narrow.matches) showSetup(false);
  state.set("busy", watch ? "Connecting to the demo" : "Starting", Date.now());
  let failure = null;
  try {
    await session.start();
  } catch (error) {
    failure = whyEnded(error);
  }
  counters.show(session.stats());
  session = null;
  setup.lock(false);
  enable();
  ended(failure);
  await ports.refresh();
  describe();
}

function ended(failure) {
  const now = Date.now();
  if (failure) {
    trouble(failure);
    remark(failure.split("\n")[0], now, "bad");
    state.set("bad", "Ended: see above", now);
  } else {
    state.set("idle", "Not connected", now);
  }
}

function watching() {
  if (!address.token) throw new Error(NO_TOKEN);
  return new WatchSession(ownSocket("watch", address.token), happened);
}

async function bridging() {
  const options = await setup.options(ports.chosen.port);
  return new BridgeSession(await loadBridge(), options, happened);
}

function stop() {
  // A second press does not wait for what is still being delivered: nothing else would end it sooner but closing the tab.
  stopping = true;
  state.set("busy", "Stopping: delivering what is held", Date.now());
  session.stop();
  enable();
}

/** What a session tells. */
function happened({ text = "", ...event }) {
  // A bridge without a server is connected to nowhere, which says little to people.
  text = text.replace("connected to nowhere://:0", "no server: what the device says is shown here").replace("connecting to nowhere://:0", "starting");
  switch (event.type) {
    case "traffic": {
      const kind = event.direction === "up" ? UP : DOWN;
      history.push(kind, event.bytes, event.time);
      traffic.add(kind, event.bytes.length, event.time);
      break;
    }
    case "state":
      state.set(toneOf(event), sentence(text), event.time);
      remark(text, event.time, toneOf(event));
      break;
    case "uart":
      state.device(toneOf(event), sentence(text));
      if (event.name === "refused") trouble(sentence(text), true);
      remark(text, event.time, toneOf(event));
      break;
    case "skipped":
      remark(`${formatSize(event.bytes)} not shown: this page was too slow for them`, event.time ?? Date.now(), "bad");
      break;
    default:
      // A newer program may tell what this page does not know.
  }
  frame ||= requestAnimationFrame(draw);
}

function remark(text, time, tone) {
  history.note(text, time, tone);
  frame ||= requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  byId("empty").hidden = history.end > history.first;
  terminal.draw();
  finder.update();
}

function refresh() {
  const now = Date.now();
  plot.draw(now);
  state.refresh(now);
  if (session) counters.show(session.stats());
  setText(byId("kept"), `${formatSize(history.tail - history.head)} kept of the last ${formatSize(4 << 20)}`);
  const held = byId("pause").ariaPressed === "true" ? `Paused: ${formatSize(history.tail - heldBack)} more` : "";
  setText(byId("held"), held);
}

/** A port that was refused waits for a person. */
async function retryPort() {
  const port = await ports.again();
  if (!port || !session) return;
  trouble("");
  session.retryPort(port);
}

/** Gives bytes to the session; the count taken. */
function send(bytes, to) {
  if (!session) return 0;
  return to === "up" ? session.sendUp(bytes) : session.sendDown(bytes);
}

function enable() {
  const button = byId("connect");
  const running = session !== null;
  const watch = setup.mode === "watch";
  setText(button, !running ? (watch ? "Watch" : "Connect") : stopping ? "Stopping…" : watch ? "Leave" : "Disconnect");
  button.toggleAttribute("data-stop", running);
  button.disabled = running && stopping;
  say.enable({ up: running, down: running && session.canSendDown });
  quick.enable(running);
  byId("save-trace").disabled = !traced?.trace();
}

/** Says in the header what is chosen. */
function describe() {
  const watch = setup.mode === "watch";
  setText(byId("chain-device"), watch ? "the demo’s device" : `${ports.chosen.name} · ${setup.lineWords()}`);
  setText(byId("chain-server"), watch ? "the demo’s server" : setup.serverWords() || "none: shown here");
  setText(byId("to").options[0], watch ? "To the device" : "To the device");
  setText(byId("to").options[1], watch ? "As the device" : setup.serverWords() ? "To the server" : "As the device");
  if (!session) enable();
}

function showSetup(shown) {
  byId("setup").hidden = !shown;
  byId("toggle-setup").ariaExpanded = String(shown);
}

function pause(paused) {
  byId("pause").ariaPressed = String(paused);
  setText(byId("pause"), paused ? "Resume" : "Pause");
  heldBack = history.tail;
  terminal.freeze(paused);
  refresh();
}

function clear() {
  if (byId("pause").ariaPressed === "true") pause(false);
  history.clear();
  draw();
  refresh();
}

function look() {
  const options = { view: checked("view"), stamps: byId("stamps").value, ends: byId("ends").checked };
  memory.set("look", options);
  terminal.show(options);
  finder.again();
}

function restoreLook() {
  const { view, stamps, ends } = memory.get("look", {});
  const radio = document.querySelector(`input[name="view"][value="${CSS.escape(view ?? "text")}"]`);
  if (radio) radio.checked = true;
  if (stamps) byId("stamps").value = stamps;
  byId("ends").checked = Boolean(ends);
  look();
}

/** Says what stands in the way of starting, and leads to the field. */
function refuse(error) {
  session = null;
  trouble(error instanceof NoWasm ? error.message : whyEnded(error));
  if (error instanceof NoWasm) missing(error);
  if (error instanceof BadOption) {
    showSetup(true);
    const field = byId(error.field);
    field.closest("details")?.setAttribute("open", "");
    field.focus();
  }
}

function missing(error) {
  byId("no-wasm").hidden = !(error instanceof NoWasm);
  if (!(error instanceof NoWasm)) trouble(`The bridge cannot be loaded: ${error.message}`);
}

/** Says it, and offers to try the port again if that may help. */
function trouble(text, retry = false) {
  byId("trouble").hidden = !text;
  byId("trouble-act").hidden = !retry;
  setText(byId("trouble-text"), text);
}
