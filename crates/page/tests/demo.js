import { DemoPort } from "../web/demo.js";
import { bytes, same, test, text, throws } from "./check.js";

/** Opens the device; `until(pattern)` resolves with all that it has said when the pattern is in it. */
async function opened(line = {}) {
  const port = new DemoPort(() => 0.5);
  await port.open({ baudRate: 1_000_000, ...line });
  const reader = port.readable.getReader();
  const writer = port.writable.getWriter();
  let said = "";
  return {
    port,
    tell: (what) => writer.write(bytes(what)),
    async until(pattern) {
      while (!pattern.test(said)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended after ${JSON.stringify(said)}`);
        said += text(value);
      }
      return said;
    },
    async close() {
      await reader.cancel();
      reader.releaseLock();
      await writer.close();
      writer.releaseLock();
      await port.close();
    },
  };
}

test("the demo device greets, and says a line now and then", async () => {
  const device = await opened();
  await device.tell("AT+EVERY=20\r\n");
  const said = await device.until(/temp 2 \d+\.\d C\r\n/);
  same(/^uartbridge demo device/.test(said), true, said);
  await device.close();
});

test("the demo device answers commands, and nothing else", async () => {
  const device = await opened();
  await device.tell("AT+EVERY=0\r\n");
  await device.tell("temp 1 20.1 C\r\nOK\r\nhello\r\nAT+ECHO=one two\r\nat+no\rATI\n");
  const said = await device.until(/device\r\nOK\r\n$/);
  same(said.slice(said.indexOf("\n") + 1), "OK\r\none two\r\nOK\r\nERROR\r\nuartbridge demo device\r\nOK\r\n");
  await device.close();
});

test("the demo device keeps to its baud rate", async () => {
  const device = await opened({ baudRate: 115_200 });
  const start = performance.now();
  await device.tell("AT+EVERY=0\r\nAT+FLOOD=6400\r\n");
  await device.until(/00000099 \w+\r\n\r\nOK\r\n$/);
  const took = performance.now() - start;
  // 6400 bytes of ten bits take 556 ms; a busy machine may be late, but a line is never early.
  if (took < 540) throw new Error(`6400 bytes took ${took} ms only`);
  await device.close();
});

test("the demo device gives each of very many bytes", async () => {
  const device = await opened({ baudRate: 10_000_000 });
  await device.tell("AT+EVERY=0\r\nAT+FLOOD=640000\r\n");
  const said = await device.until(/00009999 \w+\r\n\r\nOK\r\n$/);
  const lines = said.split("\r\n").filter((line) => /^\d{8} /.test(line));
  same(lines.length, 10_000);
  for (const [index, line] of lines.entries()) same([Number(line.slice(0, 8)), line.length], [index, 62]);
  await device.close();
});

test("the demo device opens and closes as a serial port does", async () => {
  const port = new DemoPort();
  await throws(() => port.close(), /already closed/);
  await throws(() => port.open({ baudRate: 0 }), /greater than 0/);
  await port.open({ baudRate: 9600 });
  await throws(() => port.open({ baudRate: 9600 }), /already open/);
  const reader = port.readable.getReader();
  await throws(() => port.close(), /locked/);
  await reader.cancel();
  reader.releaseLock();
  await port.close();
  same([port.readable, port.writable], [null, null]);
  await port.open({ baudRate: 9600 });
  const again = port.readable.getReader();
  same(text((await again.read()).value).startsWith("uart"), true, "it says something after opening again");
  await again.cancel();
  again.releaseLock();
  await port.close();
});
