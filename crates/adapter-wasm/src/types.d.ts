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
/** `time` in ms since 1970, `text` for people. */
export type BridgeEvent =
  | { type: "traffic"; direction: "up" | "down"; bytes: Uint8Array; time: number }
  | { type: "state"; name: "no-ip" | "parked" | "back-off" | "connecting" | "open" | "closing" | "finished"; text: string; time: number }
  /** `absent` passes by itself and is tried again; `refused` (a permission, a setting) is not, before `retryPort`. */
  | { type: "uart"; name: "open" | "absent" | "refused" | "ended"; text: string; time: number };
/** What a bridge has done since it was made. All are counts, exact up to 2^53; `uartRx = txAcked + upDropped + upHeld` holds at any time. */
export interface Stats {
  /** Bytes read from the port, those of `sendUp` included. */
  uartRx: number;
  /** Bytes that the server's TCP has acknowledged; with a relay that acknowledges nothing: that the relay has taken. Without greetings and heartbeats. */
  txAcked: number;
  /** Bytes that wait for the server, or for its acknowledgement: `upBuffer` at most. */
  upHeld: number;
  /** Bytes given up by the overflow policy; those on their way may still arrive. */
  upDropped: number;
  /** Packets (reads, if packing is off) that these were. */
  upDroppedPackets: number;
  /** Bytes sent again after a connection was lost; the server may have them twice. */
  replayed: number;
  /** Bytes read from the server. */
  sockRx: number;
  /** Bytes of the server's that the port has taken; those of `sendDown` are not counted. */
  uartTx: number;
  /** Bytes that wait for the port: `downBuffer` at most. */
  downHeld: number;
  /** Bytes cut off datagrams that were too long: none, there are no datagrams here. */
  downCut: number;
  /** Bytes that a plain relay sent faster than the port took them, and that had no place. */
  downRefused: number;
  /** Bytes that `sendUp` or `sendDown` took and that were lost, with the port or at the end of the bridge. */
  sendDropped: number;
  /** Overruns that the port reported: each is one or more bytes lost in its driver or in the browser. */
  overrun: number;
  /** Framing errors and breaks that the port reported. */
  framing: number;
  /** Parity errors that the port reported. */
  parity: number;
  /** Attempts to connect. */
  attempts: number;
  /** Attempts that succeeded. */
  connections: number;
  /** Failures in a row: 0 while all is well. */
  failures: number;
  /** Heartbeats sent. */
  heartbeats: number;
}
