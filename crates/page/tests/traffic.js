import { DOWN, UP } from "../web/history.js";
import { Traffic } from "../web/plot.js";
import { same, test } from "./check.js";

test("rates are those of the last second, the peak that of the minute", () => {
  const traffic = new Traffic();
  traffic.add(UP, 100, 1_000_000);
  traffic.add(UP, 100, 1_000_100);
  traffic.add(DOWN, 50, 1_000_250);
  traffic.advance(1_000_500);
  same([traffic.recent(UP), traffic.recent(DOWN), traffic.peak()], [200, 50, 800]);
  traffic.advance(1_010_000);
  same([traffic.recent(UP), traffic.peak()], [0, 800]);
  traffic.advance(1_061_000);
  same(traffic.peak(), 0);
});

test("bytes that come late are counted where they belong", () => {
  const traffic = new Traffic();
  traffic.advance(1_000_750);
  traffic.add(UP, 10, 1_000_300);
  same([traffic.rate(UP, 0), traffic.rate(UP, 2)], [0, 40]);
  traffic.add(UP, 10, 100_000);
  same(traffic.peak(), 40);
});
