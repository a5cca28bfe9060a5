// The bridge in a module worker: it is told which port to take and to whom, and tells what happens. A page that wants its bridge
// in a worker needs no more than this.

import init, { Bridge } from "../wasm/uartbridge.js";
import { DemoPort } from "../web/demo.js";

/** Web Serial in a worker has the ports that a window was granted; without a number, the demo device. */
async function find(product) {
  if (!product) return new DemoPort();
  const ports = await navigator.serial.getPorts();
  return ports.find((port) => port.getInfo().usbProductId === product);
}

let bridge;

addEventListener("message", async ({ data: { product, options, call } }) => {
  if (call) return postMessage({ type: call, value: bridge[call]() });
  await init();
  const port = await find(product);
  bridge = new Bridge({ port, ...options }, (event) => postMessage(event));
  bridge.run().then(() => postMessage({ type: "ended" }), ({ message }) => postMessage({ type: "ended", text: message }));
});
