/** A `SerialPort`, or anything of its shape. */
export interface Port {
  open(line: SerialLine): Promise<void>;
  close(): Promise<void>;
  readonly readable: ReadableStream<Uint8Array> | null;
  readonly writable: WritableStream<Uint8Array> | null;
  getInfo?(): { usbVendorId?: number; usbProductId?: number };
}
/** Handed to `open` as it is; for a `SerialPort`: its `SerialOptions`. */
export interface SerialLine {
  baudRate: number;
  dataBits?: 7 | 8;
  stopBits?: 1 | 2;
  parity?: "none" | "even" | "odd";
  bufferSize?: number;
  flowControl?: "none" | "hardware";
}
export interface TlsOptions {
  /** The name in the server's certificate, if it is not the target's host. */
  serverName?: string;
  /** PEM: trust what these authorities have issued. */
  ca?: string;
  /** `sha256:…` of public keys: trust these. With `ca`, both must hold. One of the two is needed. */
  pin?: string[];
  /** PEM: who this client is, for servers that ask. Goes with `key`. */
  cert?: string;
  key?: string;
}
export interface Peer {
  /** `ws://` or `wss://`, token included. */
  relay: string;
  /** HOST:PORT, added to the URL as a parameter; a relay with one target needs none. */
  target?: string;
  /** `uartbridge.v1` (the default) acknowledges; `binary`, as of websockify, does not, and what it held is lost when it breaks. */
  protocol?: "uartbridge.v1" | "binary";
  /** TLS from this tab to the server: the relay sees ciphertext. */
  tls?: TlsOptions;
}
export interface BridgeOptions {
  port: Port;
  line?: SerialLine;
  /** Tried in turn. Without any, bytes go nowhere: they are shown, and count as delivered. */
  peers: Peer[];
  /** Policies by the names of `uartbridge --help`, such as `upBuffer`: sizes in bytes, times in ms. */
  config?: Record<string, number | boolean | string | Uint8Array>;
  /** Record every event and action for `trace()`: with the bytes that pass, which may be secrets; up to a limit in bytes (8 MiB), where the trace ends. */
  trace?: { bytes?: boolean; limit?: number };
}
export type BridgeEvent =
  | { type: "traffic"; direction: "up" | "down"; bytes: Uint8Array; time: number }
  | { type: "state"; name: "no-ip" | "parked" | "back-off" | "connecting" | "open" | "closing" | "finished"; text: string; time: number }
  | { type: "uart"; name: "open" | "absent" | "ended"; text: string; time: number };
/** Counters by the core's names; bytes, unless their name says otherwise. */
export type Stats = Record<string, number>;
