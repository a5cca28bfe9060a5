import { DOWN, History, UP } from "../web/history.js";
import { LINKTYPE_USER0, pcapng } from "../web/pcapng.js";
import { bytes, same, test, text } from "./check.js";

/** The blocks of a file, by draft-ietf-opsawg-pcapng: written without a look at the writer. */
async function blocks(parts) {
  const data = await new Blob(parts).arrayBuffer();
  const view = new DataView(data);
  const out = [];
  for (let at = 0; at < data.byteLength;) {
    const length = view.getUint32(at + 4, true);
    same(length % 4, 0, "blocks are whole words");
    same(view.getUint32(at + length - 4, true), length, "the length stands at both ends");
    out.push({ type: view.getUint32(at, true), body: new DataView(data, at + 8, length - 12) });
    at += length;
  }
  return out;
}

function options(view, at) {
  const out = [];
  while (at < view.byteLength) {
    const [code, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (code === 0) return out;
    out.push([code, new Uint8Array(view.buffer, view.byteOffset + at + 4, length)]);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  throw new Error("options without an end");
}

test("a pcapng file has a section, an interface and a packet a record", async () => {
  const history = new History(1024, 16);
  history.note("connected", 1_700_000_000_000);
  history.push(UP, bytes("hello"), 1_700_000_000_123.456);
  history.push(DOWN, bytes("abcd"), 1_700_000_000_200);
  history.note("closed", 1_700_000_000_300);
  const [section, face, up, down, end, ...more] = await blocks(pcapng(history, { name: "FT232R", description: "UART 115200 8N1" }));
  same(more, []);
  same([section.type, face.type, up.type, down.type, end.type], [0x0a0d0d0a, 1, 6, 6, 6]);
  same([section.body.getUint32(0, true), section.body.getUint16(4, true), section.body.getUint16(6, true)], [0x1a2b3c4d, 1, 0]);
  same([face.body.getUint16(0, true), face.body.getUint32(4, true)], [LINKTYPE_USER0, 0]);
  same(options(face.body, 8).map(([code, value]) => [code, code === 9 ? value[0] : text(value)]), [[2, "FT232R"], [3, "UART 115200 8N1"], [9, 6]]);
  const packets = [up, down, end].map(({ body }) => {
    const length = body.getUint32(12, true);
    same(body.getUint32(16, true), length, "nothing is cut off");
    return {
      time: (BigInt(body.getUint32(4, true)) << 32n) | BigInt(body.getUint32(8, true)),
      said: text(new Uint8Array(body.buffer, body.byteOffset + 20, length)),
      options: options(body, 20 + Math.ceil(length / 4) * 4).map(([code, value]) => [code, code === 2 ? new DataView(value.buffer, value.byteOffset).getUint32(0, true) : text(value)]),
    };
  });
  same(packets, [
    { time: 1_700_000_000_123_456n, said: "hello", options: [[1, "connected"], [2, 1]] },
    { time: 1_700_000_000_200_000n, said: "abcd", options: [[2, 2]] },
    { time: 1_700_000_000_300_000n, said: "", options: [[1, "closed"]] },
  ]);
});

test("an empty log is a file, too", async () => {
  same((await blocks(pcapng(new History(16, 4), { name: "", description: "" }))).map(({ type }) => type), [0x0a0d0d0a, 1]);
});
