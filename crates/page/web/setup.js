// The setup form: what is chosen there, as options of a bridge; and what of it is remembered.

import { parseEscapes } from "./bytes.js";
import { byId, checked, make, memory } from "./dom.js";
import { NO_TOKEN } from "./words.js";

/** What is remembered: fields with a name that are neither files nor secrets. Greeting and heartbeat have no name. */
const KEPT = [
  "baudRate", "dataBits", "parity", "stopBits", "flowControl", "bufferSize", "target", "relay", "relayUrl", "pin", "serverName",
  "heartbeatAfter", "packLength", "packGap", "packDelimiter", "backoffFirst", "backoffMax", "backoffJitter", "unackedLimit",
  "silentLimit", "upBuffer", "downBuffer", "overflow",
];
const SECONDS = ["heartbeatAfter", "backoffFirst", "backoffMax", "unackedLimit", "silentLimit"];
const PLAIN = ["packLength", "packGap", "upBuffer", "downBuffer"];
const BYTES = ["greeting", "heartbeat", "packDelimiter"];

/** What the address of the page says behind its `#`: it reaches no server and no log. */
export function fromAddress(hash = location.hash) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  return { token: said.get("token") ?? "", watch: said.has("watch"), targets: said.getAll("target") };
}

/** The address of `path` at the program this page came from, as a WebSocket's. */
export function ownSocket(path, token) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = url.hash = "";
  url.searchParams.set("token", token);
  return url.href;
}

/** An option that cannot be, and the field in which it stands. */
export class BadOption extends Error {
  constructor(field, text) {
    super(text);
    this.field = field;
  }
}

export class Setup {
  #form;
  #address;

  constructor(form, address) {
    this.#form = form;
    this.#address = address;
    this.#restore();
    const targets = byId("target");
    if (address.targets.length) {
      form.append(make("datalist", { id: "targets" }, ...address.targets.map((value) => make("option", { value }))));
      targets.setAttribute("list", "targets");
      if (!targets.value) [targets.value] = address.targets;
    }
    form.addEventListener("change", () => {
      this.#keep();
      this.arrange();
    });
    this.arrange();
  }

  /** Shows the fields that matter for what is chosen. */
  arrange() {
    const watch = this.mode === "watch";
    byId("watch-help").hidden = !watch;
    byId("bridge-setup").hidden = watch;
    const { server } = this;
    const relay = byId("relay").value;
    for (const part of this.#form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(server);
    for (const part of this.#form.querySelectorAll("[data-relay]")) part.hidden = !part.dataset.relay.split(" ").includes(relay);
    byId("target").required = !watch && server !== "none" && relay !== "binary";
    byId("relayUrl").required = !watch && server !== "none" && relay !== "own";
  }

  /** `bridge` or `watch`. */
  get mode() {
    return checked("mode");
  }

  /** `none`, `tcp` or `tls`. */
  get server() {
    return checked("server");
  }

  /** No field can be changed while a session runs: what is shown is what is in use. */
  lock(locked) {
    for (const field of this.#form.querySelectorAll("input, select, button")) field.disabled = locked;
  }

  /** Line settings for `open()` of a port. */
  line() {
    const number = (id) => Number(byId(id).value);
    return {
      baudRate: number("baudRate"), dataBits: number("dataBits"), stopBits: number("stopBits"), bufferSize: number("bufferSize"),
      parity: byId("parity").value, flowControl: byId("flowControl").value,
    };
  }

  /** Line settings as people say them: 115200 8N1. */
  lineWords() {
    const { baudRate, dataBits, parity, stopBits, flowControl } = this.line();
    return `${baudRate} ${dataBits}${parity[0].toUpperCase()}${stopBits}${flowControl === "hardware" ? " RTS/CTS" : ""}`;
  }

  /** The server as people say it: tls://host:port, or an empty text for none. */
  serverWords() {
    if (this.server === "none") return "";
    const [first, ...others] = this.#targets();
    const words = first ? `${this.server}://${first}` : `${this.server} through ${byId("relayUrl").value}`;
    return others.length ? `${words} (or ${others.length} more)` : words;
  }

  /** Options for a bridge over `port`. Rejects with `BadOption`, or with an error of a file that cannot be read. */
  async options(port) {
    return { port, line: this.line(), peers: await this.#peers(), config: this.#config() };
  }

  #targets() {
    return byId("target").value.split(/[\s,]+/).filter(Boolean);
  }

  async #peers() {
    if (this.server === "none") return [];
    const relay = byId("relay").value;
    const peer = { protocol: relay === "binary" ? "binary" : "uartbridge.v1" };
    if (relay === "own") {
      if (!this.#address.token) throw new BadOption("relay", NO_TOKEN);
      peer.relay = ownSocket("relay", this.#address.token);
    } else {
      peer.relay = relayUrl(byId("relayUrl").value.trim());
    }
    if (this.server === "tls") peer.tls = await this.#tls();
    const targets = this.#targets();
    for (const target of targets) {
      if (!/^(\[[^\]]+\]|[^:[\]]+):\d{1,5}$/.test(target)) {
        throw new BadOption("target", `“${target}” is no address: write host:port, such as 192.0.2.1:4000 or [2001:db8::1]:4000`);
      }
    }
    if (!targets.length) return [peer];
    return targets.map((target) => ({ ...peer, target }));
  }

  async #tls() {
    const [ca, cert, key] = await Promise.all(["ca", "cert", "key"].map(readFile));
    const pin = byId("pin").value.split(/[\s,]+/).filter(Boolean);
    const serverName = byId("serverName").value.trim();
    if (!ca && !pin.length) throw new BadOption("ca", "TLS needs to know whom to trust: choose the authority’s certificate (CA), or pin the server’s key");
    if (Boolean(cert) !== Boolean(key)) throw new BadOption(cert ? "key" : "cert", "A client certificate and its private key belong together: choose both files, or none");
    return { ...(ca && { ca }), ...(pin.length && { pin }), ...(serverName && { serverName }), ...(cert && { cert, key }) };
  }

  #config() {
    const config = {};
    for (const id of SECONDS) if (byId(id).value) config[id] = Number(byId(id).value) * 1000;
    for (const id of PLAIN) if (byId(id).value) config[id] = Number(byId(id).value);
    for (const id of BYTES) {
      try {
        if (byId(id).value) config[id] = parseEscapes(byId(id).value);
      } catch (error) {
        throw new BadOption(id, error.message);
      }
    }
    if (byId("backoffJitter").value) config.backoffJitter = false;
    if (byId("overflow").value) config.overflow = byId("overflow").value;
    return config;
  }

  #keep() {
    const kept = Object.fromEntries(KEPT.map((id) => [id, byId(id).value]));
    memory.set("setup", { ...kept, server: this.server });
  }

  #restore() {
    const { server, ...kept } = memory.get("setup", {});
    for (const id of KEPT) if (typeof kept[id] === "string") byId(id).value = kept[id];
    const radio = [...this.#form.elements.server].find(({ value }) => value === server);
    if (radio) radio.checked = true;
    if (this.#address.watch) this.#form.elements.mode.value = "watch";
  }
}

/** A WebSocket's address; people also write http. */
function relayUrl(text) {
  let url;
  try {
    url = new URL(text.includes("://") ? text : `ws://${text}`);
  } catch {
    throw new BadOption("relayUrl", `“${text}” is no address: write ws://host:port/ or wss://host/path`);
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(url.protocol)) throw new BadOption("relayUrl", `A relay is reached by ws:// or wss://, not by ${url.protocol}//`);
  if (location.protocol === "https:" && url.protocol === "ws:" && !/^(localhost|127\.)/.test(url.hostname)) {
    throw new BadOption("relayUrl", "This page came over https, so its browser allows wss:// relays only");
  }
  return url.href;
}

/** The text of the file chosen in the field `id`: read here, sent nowhere. */
async function readFile(id) {
  const [file] = byId(id).files;
  if (!file) return "";
  let text;
  try {
    text = await file.text();
  } catch (error) {
    throw new BadOption(id, `${file.name} cannot be read: ${error.message}; choose it again`);
  }
  if (!text.includes("-----BEGIN ")) throw new BadOption(id, `${file.name} is no PEM file: it has no line “-----BEGIN …-----”`);
  return text;
}
