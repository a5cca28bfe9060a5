// What becomes of a session while nobody looks at the tab, in words.

import { areLate } from "./timers.js";
import { duration } from "./words.js";

/** Calls `say(text, tone)` when the tab is hidden or seen again, and when the browser has suspended it for a while. */
export function watchPresence(say) {
  let hidden = Date.now();
  let frozen = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hidden = Date.now();
      say(areLate() ? HIDDEN_LATE : HIDDEN, areLate() ? "bad" : "idle");
    } else {
      say(`this tab is in view again, after ${duration(Date.now() - hidden)}`, "idle");
    }
  });
  // A frozen page runs nothing at all, not even this.
  document.addEventListener("freeze", () => { frozen = Date.now(); });
  document.addEventListener("resume", () => say(`the browser had suspended this tab for ${duration(Date.now() - frozen)}: ${SUSPENDED}`, "bad"));
}

const HIDDEN = "this tab is hidden: bytes go on as before, only the drawing waits";
const HIDDEN_LATE = "this tab is hidden, and its browser lets timers come up to a minute late: bytes go on, but heartbeats, packing by time and reconnecting may be late";
const SUSPENDED = "nothing passed meanwhile. Keep it in view, or exempt this site from the browser’s saving of energy and memory";
