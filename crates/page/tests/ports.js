import { nameOf, namesOf } from "../web/ports.js";
import { fromAddress, ownSocket } from "../web/setup.js";
import { duration } from "../web/words.js";
import { same, test } from "./check.js";

const port = (info) => ({ getInfo: () => info });

test("ports are named by their USB ids", () => {
  same(nameOf({ usbVendorId: 0x0403, usbProductId: 0x6001 }), "FTDI FT232R (0403:6001)");
  same(nameOf({ usbVendorId: 0x1a86, usbProductId: 1 }), "WCH (1a86:0001)");
  same(nameOf({ usbVendorId: 0xbeef, usbProductId: 0xcafe }), "USB serial port (beef:cafe)");
  same(nameOf({}), "Serial port");
});

test("ports that would have one name get numbers", () => {
  const ftdi = { usbVendorId: 0x0403, usbProductId: 0x6001 };
  same(namesOf([port(ftdi), port({}), port(ftdi)]), ["FTDI FT232R (0403:6001) #1", "Serial port", "FTDI FT232R (0403:6001) #2"]);
});

test("the page's address says token, watching and targets", () => {
  same(fromAddress("#token=abc&watch&target=127.0.0.1%3A4000&target=%5B%3A%3A1%5D%3A1"),
    { token: "abc", watch: true, targets: ["127.0.0.1:4000", "[::1]:1"] });
  same(fromAddress(""), { token: "", watch: false, targets: [] });
});

test("the relay of this page is reached where the page came from", () => {
  const url = new URL(ownSocket("/relay", "a b&c"));
  same([url.protocol, url.host, url.pathname, url.searchParams.get("token"), url.hash], ["ws:", location.host, "/relay", "a b&c", ""]);
});

test("times are said in words", () => {
  same([999, 61_000, 3_720_000].map(duration), ["0 s", "1 min 1 s", "1 h 2 min"]);
});
