// A history as a pcapng file (draft-ietf-opsawg-pcapng), for Wireshark and tshark.
//
// The link type is USER0 (147): there is none for a bare UART, and Wireshark lets the user say what is in it (Preferences,
// Protocols, DLT_USER, payload protocol “mbrtu” for example). Directions are in `epb_flags`, seen from the host that has
// the serial port: inbound is what the device said, outbound what it was told. Remarks are comments of the packet after them.

import { NOTE, UP } from "./history.js";

export const LINKTYPE_USER0 = 147;

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 6;
const OPT_COMMENT = 1;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const SHB_USERAPPL = 4;
const EPB_FLAGS = 2;
const INBOUND = 1;
const OUTBOUND = 2;

const encoder = new TextEncoder();

/** The file, in parts for a `Blob`. `about` describes the interface: its name and its line settings. */
export function pcapng(history, about) {
  const parts = [
    block(SECTION, [u32(0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff), options([[SHB_USERAPPL, encoder.encode("uartbridge page")]])]),
    block(INTERFACE, [u32(LINKTYPE_USER0, 0), options([
      [IF_NAME, encoder.encode(about.name)],
      [IF_DESCRIPTION, encoder.encode(about.description)],
      [IF_TSRESOL, Uint8Array.of(6)],
    ])]),
  ];
  let remarks = [];
  for (let record = history.first; record < history.end; record++) {
    if (history.kind(record) === NOTE) {
      remarks.push(record);
      continue;
    }
    const bytes = history.read(history.start(record), history.stop(record));
    parts.push(packet(history, record, bytes, remarks));
    remarks = [];
  }
  if (remarks.length) parts.push(packet(history, remarks[0], new Uint8Array(), remarks));
  return parts;
}

function packet(history, record, bytes, remarks) {
  const time = BigInt(Math.round(history.time(record) * 1000));
  const list = remarks.map((remark) => [OPT_COMMENT, encoder.encode(history.remark(remark).text)]);
  if (history.kind(record) !== NOTE) {
    list.push([EPB_FLAGS, u32(history.kind(record) === UP ? INBOUND : OUTBOUND)]);
  }
  const head = u32(0, Number(time >> 32n), Number(time & 0xffffffffn), bytes.length, bytes.length);
  return block(PACKET, [head, padded(bytes), options(list)]);
}

function block(type, bodies) {
  const length = bodies.reduce((sum, body) => sum + body.length, 12);
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let at = 8;
  for (const body of bodies) {
    out.set(body, at);
    at += body.length;
  }
  view.setUint32(at, length, true);
  return out;
}

function options(list) {
  const parts = list.map(([code, value]) => {
    const cut = value.subarray(0, 0xffff);
    const out = new Uint8Array(4 + Math.ceil(cut.length / 4) * 4);
    new DataView(out.buffer).setUint32(0, code | (cut.length << 16), true);
    out.set(cut, 4);
    return out;
  });
  if (parts.length) parts.push(u32(0));
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function padded(bytes) {
  const out = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  out.set(bytes);
  return out;
}

function u32(...values) {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true);
  return out;
}
