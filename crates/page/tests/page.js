import { same, test, until } from "./check.js";

/** The page itself in a frame, at `width` pixels; `wasm` says whether the bridge is there. */
async function opened(hash, width, run) {
  localStorage.clear();
  const frame = document.createElement("iframe");
  Object.assign(frame, { width, height: 700, src: `../web/index.html${hash}` });
  document.body.append(frame);
  await new Promise((resolve) => { frame.onload = resolve; });
  const page = frame.contentDocument;
  try {
    await until(() => page.querySelector("#port option"), "the list of ports");
    await run({ page, window: frame.contentWindow, id: (name) => page.getElementById(name) });
  } finally {
    frame.remove();
    localStorage.clear();
  }
}

test("the page says how to build the bridge if it is not there", () => opened("", 1000, async ({ id }) => {
  // ../web has no wasm beside it: only the program serves both in one place.
  await until(() => !id("no-wasm").hidden, "the hint");
  same(id("no-wasm").textContent.includes("cargo xtask web build"), true);
  id("connect").click();
  await until(() => !id("trouble").hidden, "the reason");
  same(id("trouble-text").textContent.includes("cargo xtask web build"), true);
  same(id("connect").textContent, "Connect");
}));

test("without its token the page says where to find it", () => opened("", 1000, async ({ page, id }) => {
  page.querySelector('input[name="mode"][value="watch"]').click();
  id("connect").click();
  await until(() => !id("trouble").hidden, "the reason");
  same(/without its token/.test(id("trouble-text").textContent), true);
}));

test("the page tells that nothing can be watched where nothing can", () => opened("#token=x&watch", 1000, async ({ id }) => {
  await until(() => !id("trouble").hidden, "the reason");
  same(/nothing to watch/.test(id("trouble-text").textContent), true);
  same([id("state").dataset.tone, id("connect").textContent], ["bad", "Watch"]);
}));

test("a server without an address is asked for", () => opened("#token=x", 1000, async ({ page, id }) => {
  page.querySelector('input[name="server"][value="tcp"]').click();
  same(id("target").required, true);
  id("target").value = "nowhere";
  id("connect").click();
  await until(() => !id("trouble").hidden, "the reason");
  same(/“nowhere” is no address/.test(id("trouble-text").textContent), true);
  same(page.activeElement, id("target"));
}));

test("TLS wants to know whom to trust", () => opened("#token=x", 1000, async ({ page, id }) => {
  page.querySelector('input[name="server"][value="tls"]').click();
  id("target").value = "a.example:8883";
  id("connect").click();
  await until(() => !id("trouble").hidden, "the reason");
  same(/whom to trust/.test(id("trouble-text").textContent), true);
}));

test("a plain relay is told to acknowledge nothing", () => opened("#token=x", 1000, ({ page, id }) => {
  page.querySelector('input[name="server"][value="tcp"]').click();
  id("relay").value = "binary";
  id("relay").dispatchEvent(new Event("change", { bubbles: true }));
  const note = page.querySelector('p[data-relay="binary"]');
  same([note.hidden, /acknowledges nothing/.test(note.textContent), id("relayUrl").required, id("target").required], [false, true, true, false]);
}));

test("targets that the address names are offered", () => opened("#token=x&target=127.0.0.1%3A4000", 1000, ({ page, id }) => {
  same([id("target").value, page.querySelector("#targets option").value], ["127.0.0.1:4000", "127.0.0.1:4000"]);
}));

test("secrets are not remembered, settings are", () => opened("#token=secret-token", 1000, ({ id }) => {
  id("baudRate").value = "9600";
  id("greeting").value = "secret-greeting";
  id("heartbeat").value = "secret-heartbeat";
  id("baudRate").dispatchEvent(new Event("change", { bubbles: true }));
  const kept = JSON.stringify({ ...localStorage });
  same([kept.includes("9600"), kept.includes("secret")], [true, false]);
}));

for (const width of [360, 600, 900, 1280]) {
  test(`at ${width} pixels nothing lies beyond the edge`, () => opened("", width, ({ page, id }) => {
    id("more").open = true;
    page.querySelector('input[name="server"][value="tls"]').click();
    same(page.documentElement.scrollWidth <= width, true, `${page.documentElement.scrollWidth} pixels wide`);
  }));
}

test("every control has a name", () => opened("", 1000, ({ page }) => {
  const nameless = [...page.querySelectorAll("button, input, select")].filter((control) => !(
    control.textContent.trim() && control.tagName === "BUTTON") && !control.ariaLabel && !control.labels?.length);
  same(nameless.map((control) => control.outerHTML), []);
}));

test("no markup carries script or style", () => opened("", 1000, async ({ window }) => {
  const source = await (await window.fetch("index.html")).text();
  same([/ style=/.test(source), / on\w+=/.test(source), /<style/.test(source), /<script(?![^>]*src=)/.test(source)], [false, false, false, false]);
}));
