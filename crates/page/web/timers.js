// Timers. The bridge brings some that come in time in a hidden tab, too; without it they are the window's.

let timers = { setTimer: (callback, ms) => setTimeout(callback, ms), clearTimer: (id) => clearTimeout(id), isLate: () => true };

/** From now on the timers of this module: `clock.js`, which comes with the bridge. */
export function use(module) {
  timers = module;
}

/** Calls `callback` once, in `ms` milliseconds. */
export function later(callback, ms) {
  timers.setTimer(callback, ms);
}

/** Calls `callback` every `ms` milliseconds; what is returned ends that. */
export function every(callback, ms) {
  const { setTimer, clearTimer } = timers;
  let [due, id] = [performance.now(), 0];
  const next = () => {
    // Those that were missed are not made up for.
    due = Math.max(due + ms, performance.now());
    id = setTimer(() => {
      next();
      callback();
    }, due - performance.now());
  };
  next();
  return () => clearTimer(id);
}

/** Whether they come late while the tab is hidden. */
export function areLate() {
  return timers.isLate();
}
