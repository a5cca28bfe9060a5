// All tests, in the order of what they need.

import { runAll } from "./check.js";
import "./bytes.js";
import "./history.js";
import "./rows.js";
import "./search.js";
import "./log.js";
import "./pcapng.js";
import "./demo.js";
import "./ports.js";
import "./traffic.js";
import "./terminal.js";
import "./page.js";

const { passed, failed } = await runAll();
document.getElementById("report").textContent = [
  ...failed.map(({ name, message }) => `FAILED  ${name}\n${message}`), ...passed.map((name) => `ok      ${name}`),
].join("\n");
