// The live plot: bytes of the last minute, up above the axis and down below it.

import { formatRate } from "./bytes.js";
import { setText } from "./dom.js";

/** A bar's width in milliseconds, and how many there are. */
const BIN = 250;
const BINS = 240;
/** The figures beside the plot are of this many bars: they would flicker otherwise. */
const FIGURE = 4;
/** The scale goes no lower than this, in bytes a second. */
const LEAST = 100;

/** Counts bytes by time. */
export class Traffic {
  #bins = [new Float64Array(BINS), new Float64Array(BINS)];
  #last = 0;

  /** `count` bytes that went `kind` (`UP` or `DOWN`) at `time`, in milliseconds since 1970. */
  add(kind, count, time) {
    this.advance(time);
    const bin = Math.floor(time / BIN);
    if (bin > this.#last - BINS) this.#bins[kind][bin % BINS] += count;
  }

  /** Lets time pass. */
  advance(time) {
    const bin = Math.floor(time / BIN);
    if (bin <= this.#last) return;
    for (let i = Math.max(this.#last + 1, bin - BINS + 1); i <= bin; i++) {
      for (const bins of this.#bins) bins[i % BINS] = 0;
    }
    this.#last = bin;
  }

  /** Bytes a second in the bar that is `back` bars old; the newest one is still growing. */
  rate(kind, back) {
    return this.#bins[kind][(this.#last - back + BINS) % BINS] * (1000 / BIN);
  }

  /** Bytes a second of late. */
  recent(kind) {
    let sum = 0;
    for (let back = 1; back <= FIGURE; back++) sum += this.rate(kind, back);
    return sum / FIGURE;
  }

  /** The busiest bar of the minute, in bytes a second. */
  peak() {
    return Math.max(...this.#bins.map((bins) => Math.max(...bins))) * (1000 / BIN);
  }
}

/** Draws `traffic` on a canvas, with figures in the elements given. */
export class Plot {
  #canvas;
  #figures;
  #traffic;
  #spoken = 0;

  constructor(canvas, figures, traffic) {
    this.#canvas = canvas;
    this.#figures = figures;
    this.#traffic = traffic;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(Date.now()));
  }

  draw(now) {
    const traffic = this.#traffic;
    traffic.advance(now);
    const rates = [0, 1].map((kind) => formatRate(traffic.recent(kind)));
    const peak = traffic.peak();
    setText(this.#figures.up, rates[0]);
    setText(this.#figures.down, rates[1]);
    setText(this.#figures.peak, peak ? `1 min, peak ${formatRate(peak)}` : "1 min");
    if (now - this.#spoken > 5000) {
      this.#spoken = now;
      this.#canvas.setAttribute("aria-label",
        `Traffic of the last minute: up ${rates[0]}, down ${rates[1]}, peak ${formatRate(peak)}`);
    }
    this.#paint(round(Math.max(peak, LEAST)));
  }

  #paint(scale) {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const axis = Math.round(height / 2);
    context.fillStyle = colour("--line");
    context.fillRect(0, axis, width, Math.max(1, Math.round(ratio)));
    for (let second = 15; second < 60; second += 15) {
      context.fillRect(Math.round(width * (1 - second / 60)), 0, Math.max(1, Math.round(ratio)), height);
    }
    for (const kind of [0, 1]) {
      context.fillStyle = colour(kind === 0 ? "--up-soft" : "--down-soft");
      for (let back = 0; back < BINS; back++) {
        const rate = this.#traffic.rate(kind, back);
        if (!rate) continue;
        const [from, to] = [back + 1, back].map((bin) => Math.round(width * (1 - bin / BINS)));
        const bar = Math.max(ratio, rate / scale * (axis - 3 * ratio));
        context.fillRect(from, kind === 0 ? axis - bar : axis + ratio, Math.max(1, to - from), bar);
      }
    }
  }
}

/** The next of 1, 2, 5, 10 … above `value`. */
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}
