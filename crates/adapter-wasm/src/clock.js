// Timers that come in time while the tab is hidden, too. There a browser lets a window's timers come once a second, and later
// once a minute, but a worker's as always: so a worker runs them once more, and whichever comes first counts. Where there is no
// worker to be had, they come late. This file is the module and the worker in one.

const NAME = "uartbridge-clock";

/** By number: what is to be called, when it is due, and the timer of this window or worker. */
const timers = new Map();
let count = 0;
/** Undefined before it is wanted, null if there is none. */
let worker;

/** Calls `callback` in `ms` milliseconds, once. Its number is for `clearTimer`. */
export function setTimer(callback, ms) {
  const id = ++count;
  timers.set(id, { callback, due: performance.now() + ms, own: setTimeout(fire, ms, id) });
  // Made before it is needed: a hidden tab may have lost the server that it comes from.
  if (worker === undefined) worker = start();
  if (isHidden()) handOver(id);
  return id;
}

/** Does nothing for a timer that has come. */
export function clearTimer(id) {
  clearTimeout(timers.get(id)?.own);
  timers.delete(id);
}

/** Whether timers come late while the tab is hidden; known once one has been set. */
export function isLate() {
  return Boolean(globalThis.document) && !worker;
}

function fire(id) {
  const timer = timers.get(id);
  if (!timer) return;
  clearTimer(id);
  timer.callback();
}

function isHidden() {
  return globalThis.document?.visibilityState === "hidden";
}

function handOver(id) {
  // Timers take whole milliseconds, and would come early.
  worker?.postMessage({ id, ms: Math.ceil(timers.get(id).due - performance.now()) });
}

/** A worker's own timers need no other worker. */
function start() {
  if (!globalThis.document) return null;
  document.addEventListener("visibilitychange", () => {
    if (isHidden()) for (const id of timers.keys()) handOver(id);
  });
  try {
    const made = new Worker(import.meta.url, { type: "module", name: NAME });
    made.addEventListener("message", ({ data }) => fire(data));
    made.addEventListener("error", () => { worker = null; });
    return made;
  } catch {
    return null;
  }
}

if (!globalThis.document && globalThis.name === NAME) {
  addEventListener("message", ({ data: { id, ms } }) => setTimeout(postMessage, ms, id));
}
