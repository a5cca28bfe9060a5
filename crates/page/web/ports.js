// The ports that can be chosen: those of Web Serial that the user has granted, and the demo device.

import { DemoPort } from "./demo.js";
import { make } from "./dom.js";
import { whyNoPort, whyNoSerial } from "./words.js";

/** Who makes USB serial ports, and the products that most people meet. */
const VENDORS = {
  0x0403: "FTDI", 0x0451: "Texas Instruments", 0x045b: "Renesas", 0x0483: "STMicroelectronics", 0x04b4: "Infineon", 0x04d8: "Microchip",
  0x067b: "Prolific", 0x0d28: "Arm DAPLink", 0x10c4: "Silicon Labs", 0x1366: "SEGGER J-Link", 0x1546: "u-blox", 0x16c0: "Teensy",
  0x1915: "Nordic", 0x19d1: "Luat", 0x1a86: "WCH", 0x1bc7: "Telit", 0x1e0e: "SIMCom", 0x1fc9: "NXP", 0x2341: "Arduino",
  0x239a: "Adafruit", 0x2c7c: "Quectel", 0x2e8a: "Raspberry Pi", 0x303a: "Espressif",
};
const PRODUCTS = {
  "0403:6001": "FT232R", "0403:6010": "FT2232", "0403:6011": "FT4232", "0403:6014": "FT232H", "0403:6015": "FT-X",
  "067b:2303": "PL2303", "10c4:ea60": "CP210x", "10c4:ea70": "CP2105", "1a86:55d3": "CH343", "1a86:55d4": "CH9102",
  "1a86:7523": "CH340", "303a:1001": "USB JTAG/serial",
};

/** A port's name by its USB ids: all that a page may know of it. */
export function nameOf({ usbVendorId, usbProductId, bluetoothServiceClassId } = {}) {
  if (bluetoothServiceClassId !== undefined) return "Bluetooth serial port";
  if (usbVendorId === undefined) return "Serial port";
  const ids = [usbVendorId, usbProductId ?? 0].map((id) => id.toString(16).padStart(4, "0")).join(":");
  const name = [VENDORS[usbVendorId] ?? "USB serial port", PRODUCTS[ids]].filter(Boolean).join(" ");
  return `${name} (${ids})`;
}

/** Names for several ports: those that would be the same get a number. */
export function namesOf(ports) {
  const names = ports.map((port) => nameOf(port.getInfo()));
  return names.map((name, index) => {
    const alike = names.filter((other) => other === name).length;
    return alike === 1 ? name : `${name} #${names.slice(0, index + 1).filter((other) => other === name).length}`;
  });
}

/** The list of ports in a `select`, with a button that asks the browser for one more. */
export class Ports {
  #select;
  #ports = [];
  #demo = new DemoPort();
  #button;
  #hint;
  #onTrouble;

  constructor(select, button, hint, onTrouble) {
    this.#select = select;
    this.#button = button;
    this.#hint = hint;
    this.#onTrouble = onTrouble;
    const why = whyNoSerial();
    this.#without(why);
    button.addEventListener("click", () => this.#ask());
    if (!why) {
      navigator.serial.addEventListener("connect", () => this.refresh());
      navigator.serial.addEventListener("disconnect", () => this.refresh());
    }
  }

  /** Lists what is granted now; what was chosen stays chosen, `wanted` becomes it. */
  async refresh(wanted) {
    let chosen = wanted ?? this.chosen.port;
    this.#ports = await this.#granted();
    if (chosen !== this.#demo && !this.#ports.includes(chosen)) {
      // A device that comes back is a new port of the same ids; one that is away is still the one that is wanted.
      const name = nameOf(chosen.getInfo());
      const back = this.#ports.find((port) => nameOf(port.getInfo()) === name);
      if (back) chosen = back;
      else this.#ports.push(chosen);
    }
    const options = namesOf(this.#ports).map((name, index) => make("option", { value: String(index) }, name));
    this.#select.replaceChildren(...options, make("option", { value: "demo" }, "Demo device"));
    const index = this.#ports.indexOf(chosen);
    this.#select.value = index >= 0 ? String(index) : "demo";
  }

  /** The chosen port and its name. */
  get chosen() {
    const port = this.#ports[Number(this.#select.value)] ?? this.#demo;
    return { port, name: port === this.#demo ? "Demo device" : this.#select.selectedOptions[0].textContent };
  }

  /** The chosen port for another try: if this page may no longer use it, the browser asks. Null: nothing was chosen. */
  async again() {
    const { port } = this.chosen;
    if (port === this.#demo || (await this.#granted()).includes(port)) return port;
    return await this.#ask() ? this.chosen.port : null;
  }

  async #granted() {
    if (whyNoSerial()) return [];
    try {
      return await navigator.serial.getPorts();
    } catch (error) {
      this.#without(whyNoPort(error));
      return [];
    }
  }

  /** Says why there are only demo ports, if there is a reason. */
  #without(why) {
    this.#hint.hidden = !why;
    this.#hint.textContent = why;
    this.#button.hidden = Boolean(why);
  }

  /** Whether one was chosen. */
  async #ask() {
    try {
      await this.refresh(await navigator.serial.requestPort());
      this.#select.dispatchEvent(new Event("change", { bubbles: true }));
      return true;
    } catch (error) {
      const why = whyNoPort(error);
      if (why) this.#onTrouble(why);
      return false;
    }
  }
}
