// Sessions: what is behind the terminal. A bridge in this tab, or a look at one that runs elsewhere. Both have one shape:
//   start()         resolves when the session is over, rejects with the reason if it could not go on
//   stop()          ends it in order
//   sendUp(bytes), sendDown(bytes)   the count taken; `canSendDown` says whether there is a device to send to
//   stats()         the counters, or null
//   trace()         what uartbridge replay reads, or null
// and tell `onEvent` what happens: traffic, state, uart, skipped.

import { use } from "./timers.js";

const MODULE = "./wasm/uartbridge.js";
const CLOCK = "./wasm/clock.js";

/** The file that makes the bridge is not there: it was never built. */
export class NoWasm extends Error {}

/** Loads the bridge's module. Throws `NoWasm` if there is none. */
export async function loadBridge() {
  const answer = await fetch(MODULE, { method: "HEAD" });
  if (answer.status === 404) throw new NoWasm("The bridge is not in this build: run “cargo xtask web build”, then build the program again.");
  const [module, clock] = await Promise.all([import(MODULE), import(CLOCK)]);
  await module.default();
  use(clock);
  return module.Bridge;
}

/** A bridge in this tab. */
export class BridgeSession {
  #bridge;
  canSendDown = true;

  /** `options` are those of the module's `Bridge`, whose class is handed in. Throws for an option that cannot be. */
  constructor(Bridge, options, onEvent) {
    this.#bridge = new Bridge({ ...options, trace: { bytes: true } }, onEvent);
  }

  start() {
    return this.#bridge.run();
  }

  stop() {
    this.#bridge.stop();
  }

  /** Tries a port again that was refused, or this one in its place. */
  retryPort(port) {
    this.#bridge.retryPort(port);
  }

  sendUp(bytes) {
    return this.#bridge.sendUp(bytes);
  }

  sendDown(bytes) {
    return this.#bridge.sendDown(bytes);
  }

  stats() {
    return this.#bridge.stats();
  }

  trace() {
    return this.#bridge.trace();
  }
}

/** More than this must not wait in the socket: whoever sends finds out by the count taken. */
const WAITING = 65536;

/** A look at a bridge that runs in the program this page came from. */
export class WatchSession {
  #url;
  #onEvent;
  #socket = null;
  #stats = null;
  #stopping = false;
  canSendDown = false;

  constructor(url, onEvent) {
    this.#url = url;
    this.#onEvent = onEvent;
  }

  start() {
    const { promise, resolve, reject } = Promise.withResolvers?.() ?? withResolvers();
    const socket = this.#socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    let open = false;
    socket.onopen = () => { open = true; };
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#told(data) : this.#saw(data));
    socket.onclose = ({ code, reason }) => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      if (this.#stopping || (open && code === 1000)) resolve();
      else reject(new Error(open ? `The program has gone${reason ? `: ${reason}` : ""}.` : REFUSED));
    };
    return promise;
  }

  stop() {
    this.#stopping = true;
    this.#socket?.close();
  }

  sendUp(bytes) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > WAITING) return 0;
    socket.send(bytes);
    return bytes.length;
  }

  sendDown() {
    return 0;
  }

  stats() {
    return this.#stats;
  }

  trace() {
    return null;
  }

  /** One byte of direction, eight of time, then the bytes. */
  #saw(data) {
    if (data.byteLength < 9) return;
    const view = new DataView(data);
    const direction = view.getUint8(0) === 0 ? "up" : "down";
    this.#onEvent({ type: "traffic", direction, time: view.getFloat64(1), bytes: new Uint8Array(data, 9) });
  }

  #told(text) {
    let event;
    try {
      event = JSON.parse(text);
    } catch {
      return;
    }
    if (event.type === "stats") this.#stats = event.stats;
    else this.#onEvent(event);
  }
}

const REFUSED = `There is nothing to watch here. Is the program still running, and is it the demo (“cargo run --release”)?
Open the address that it printed: it holds a token that changes with each start.`;

function withResolvers() {
  const out = {};
  out.promise = new Promise((resolve, reject) => Object.assign(out, { resolve, reject }));
  return out;
}
