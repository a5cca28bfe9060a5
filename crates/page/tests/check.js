// Registers tests and runs them one after the other; `globalThis.results` tells how they went.

/** A test that takes longer than this has failed: milliseconds. */
const LIMIT = 20_000;

const tests = [];

/** A test: `run` may be asynchronous, and fails by throwing. */
export function test(name, run) {
  tests.push({ name, run });
}

/** Runs what was registered. `results.done` comes last. */
export async function runAll() {
  const results = globalThis.results = { done: false, passed: [], failed: [] };
  for (const { name, run } of tests) {
    try {
      await limited(run());
      results.passed.push(name);
    } catch (error) {
      results.failed.push({ name, message: String(error?.stack ?? error) });
    }
  }
  results.done = true;
  return results;
}

async function limited(running) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT / 1000} seconds`)), LIMIT);
  });
  await Promise.race([running, late]).finally(() => clearTimeout(timer));
}

/** Fails unless both are the same: arrays, typed arrays and plain objects by what they hold. */
export function same(actual, expected, what = "") {
  const [a, b] = [actual, expected].map(show);
  if (a !== b) throw new Error(`${what ? `${what}: ` : ""}got ${a}, expected ${b}`);
}

/** Fails unless `run` throws an error whose message matches. */
export async function throws(run, pattern) {
  try {
    await run();
  } catch (error) {
    if (!pattern.test(error.message)) throw new Error(`threw “${error.message}”, expected ${pattern}`);
    return;
  }
  throw new Error(`threw nothing, expected ${pattern}`);
}

/** Resolves when `holds()` does: looks again at each frame, and gives up after five seconds. */
export async function until(holds, what) {
  const end = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited five seconds for: ${what}`);
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

/** Bytes of a text, and back. */
export const bytes = (text) => new TextEncoder().encode(text);
export const text = (data) => new TextDecoder().decode(data);

function show(value) {
  return JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? [...v] : typeof v === "bigint" ? `${v}n` : v === undefined ? "undefined" : v));
}
