// The demo device: a simulated UART of the shape of a `SerialPort`, with a small sensor on it that says a line now and then
// and answers AT commands. It keeps to its baud rate, and holds back while nobody reads, as a device with RTS/CTS does.

import { every, later } from "./timers.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Bits on the line for each byte besides data bits: start bit, stop bit. */
const FRAMING = 1;
/** How often the line moves bytes, in milliseconds. */
const TICK = 10;
/** A command longer than this is none. */
const LONGEST = 256;

const HELP = [
  "AT            are you there?",
  "ATI           who are you?",
  "AT+TEMP?      one reading",
  "AT+EVERY=ms   say a line this often; 0: never",
  "AT+FLOOD=n    say n bytes at once",
  "AT+ECHO=text  say this",
  "AT+RESET      start again",
];

/** What `navigator.serial` would give, as far as it is needed here. */
export class DemoPort extends EventTarget {
  #line = null;
  #sensor;
  #rest = () => {};
  #out = [];
  #controller = null;
  #moved = 0;
  readable = null;
  writable = null;
  connected = true;

  constructor(random = Math.random) {
    super();
    this.#sensor = new Sensor((text) => this.say(text), random);
  }

  /** No USB device: a simulated one. */
  getInfo() {
    return {};
  }

  /** As `SerialPort.open`: rejects if it is open already or a setting cannot be. */
  async open({ baudRate, dataBits = 8, stopBits = 1, parity = "none" }) {
    if (this.#line) throw new DOMException("The port is already open.", "InvalidStateError");
    if (!(baudRate > 0)) throw new TypeError("baudRate must be greater than 0");
    const bits = FRAMING + dataBits + (parity === "none" ? 0 : 1) + stopBits;
    this.#line = { perMs: baudRate / bits / 1000 };
    this.#moved = performance.now();
    this.readable = new ReadableStream({
      start: (controller) => { this.#controller = controller; },
      cancel: () => { this.#controller = null; },
    }, new ByteLengthQueuingStrategy({ highWaterMark: 65536 }));
    this.writable = new WritableStream({
      write: (bytes) => this.#take(bytes),
    }, new ByteLengthQueuingStrategy({ highWaterMark: 4096 }));
    this.#rest = every(() => this.#tick(), TICK);
    this.#sensor.start();
  }

  async close() {
    if (!this.#line) throw new DOMException("The port is already closed.", "InvalidStateError");
    if (this.readable?.locked || this.writable?.locked) throw new TypeError("Cannot close a port whose streams are locked.");
    this.#line = null;
    this.#rest();
    this.#sensor.stop();
    this.#out = [];
    this.#controller = null;
    this.readable = this.writable = null;
  }

  async getSignals() {
    return { clearToSend: true, dataCarrierDetect: true, dataSetReady: true, ringIndicator: false };
  }

  async setSignals() {}

  async forget() {}

  /** What the device is to say: text or bytes. It leaves at the speed of the line. */
  say(what) {
    if (this.#line) this.#out.push(typeof what === "string" ? encoder.encode(what) : what);
  }

  /** Told so many bytes, the line is busy for so long. */
  #take(bytes) {
    this.#sensor.hear(decoder.decode(bytes));
    const pause = this.#line ? bytes.length / this.#line.perMs : 0;
    return pause < 1 ? undefined : new Promise((resolve) => later(resolve, Math.min(pause, 1000)));
  }

  #tick() {
    const now = performance.now();
    let room = Math.floor((now - this.#moved) * this.#line.perMs);
    if (!room) return;
    // Time that was not used is gone: a line cannot say faster later what it did not say before.
    this.#moved += room / this.#line.perMs;
    this.#sensor.tick(now);
    room = Math.min(room, this.#controller?.desiredSize ?? 0);
    while (room > 0 && this.#out.length) {
      const head = this.#out[0];
      const part = head.slice(0, room);
      if (part.length === head.length) this.#out.shift();
      else this.#out[0] = head.subarray(part.length);
      this.#controller.enqueue(part);
      room -= part.length;
    }
  }
}

/** The sensor behind the line. */
class Sensor {
  #say;
  #random;
  #heard = "";
  #every = 1000;
  #due = 0;
  #count = 0;
  #temperature = 20.6;
  #running = false;

  constructor(say, random) {
    this.#say = say;
    this.#random = random;
  }

  start() {
    this.#running = true;
    this.#heard = "";
    this.#due = performance.now() + this.#every;
    this.#say("uartbridge demo device, ready; AT+HELP lists what it understands\r\n");
  }

  stop() {
    this.#running = false;
  }

  tick(now) {
    if (!this.#running || !this.#every || now < this.#due) return;
    this.#due = Math.max(this.#due + this.#every, now);
    this.#say(this.#reading());
  }

  /** Only what begins with AT is a command: a server that sends everything back must not start an endless talk. */
  hear(text) {
    this.#heard = (this.#heard + text).slice(-LONGEST);
    const lines = this.#heard.split(/\r\n|\r|\n/);
    this.#heard = lines.pop();
    for (const line of lines) {
      const command = line.trim();
      if (/^AT/i.test(command)) this.#say(this.#answer(command));
    }
  }

  #reading() {
    this.#temperature += (this.#random() - 0.5) * 0.4;
    this.#temperature = Math.min(28, Math.max(14, this.#temperature));
    this.#count += 1;
    return `temp ${this.#count} ${this.#temperature.toFixed(1)} C\r\n`;
  }

  #answer(command) {
    const [, name, , value = ""] = /^AT([^=]*)(=(.*))?$/i.exec(command) ?? [];
    const number = Number(value);
    switch (name?.toUpperCase()) {
      case "": return "OK\r\n";
      case "I": return "uartbridge demo device\r\nOK\r\n";
      case "+HELP": return `${HELP.join("\r\n")}\r\nOK\r\n`;
      case "+TEMP?": return `+TEMP: ${this.#temperature.toFixed(1)}\r\nOK\r\n`;
      case "+ECHO": return `${value}\r\nOK\r\n`;
      case "+RESET":
        this.#every = 1000;
        this.#count = 0;
        this.start();
        return "";
      case "+EVERY":
        if (!(number >= 0 && number <= 3_600_000)) return "ERROR\r\n";
        this.#every = number;
        this.#due = performance.now() + number;
        return "OK\r\n";
      case "+FLOOD":
        if (!(number > 0 && number <= 10_000_000)) return "ERROR\r\n";
        flood(this.#say, Math.floor(number));
        return "\r\nOK\r\n";
      default: return "ERROR\r\n";
    }
  }
}

/** Numbered lines of 64 bytes, so that a loss would show. */
function flood(say, bytes) {
  const LINES = 256;
  for (let at = 0, line = 0; at < bytes;) {
    let text = "";
    for (let i = 0; i < LINES && at + text.length < bytes; i++, line++) {
      text += `${String(line).padStart(8, "0")} ${"0123456789abcdefghijklmnopqrstuvwxyz".repeat(3).slice(line % 36, line % 36 + 53)}\r\n`;
    }
    text = text.slice(0, bytes - at);
    at += text.length;
    say(text);
  }
}
