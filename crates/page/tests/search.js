import { needleOf } from "../web/finder.js";
import { DOWN, History, UP } from "../web/history.js";
import { Search } from "../web/search.js";
import { bytes, same, test } from "./check.js";

const places = (search) => {
  search.update();
  return search.places;
};

test("a search knows no case, but for hexadecimal", () => {
  const history = new History(256, 16);
  history.push(UP, bytes("Temp temp TEMP"), 0);
  same(places(new Search(history, bytes("tEMp"), true)), [0, 5, 10]);
  same(places(new Search(history, bytes("temp"), false)), [5]);
});

test("what comes later is found, also across two pieces", () => {
  const history = new History(256, 16);
  const search = new Search(history, bytes("ok\r\n"), true);
  history.push(UP, bytes("..O"), 0);
  same(places(search), []);
  history.push(UP, bytes("K\r"), 1);
  history.push(UP, bytes("\nok\r\n"), 2);
  same(places(search), [2, 6]);
});

test("what two sides said together is no place", () => {
  const history = new History(256, 16);
  history.push(UP, bytes("ab"), 0);
  history.push(DOWN, bytes("cd"), 0);
  same(places(new Search(history, bytes("bc"), true)), []);
  same(places(new Search(history, bytes("cd"), true)), [2]);
});

test("places that are forgotten are no places", () => {
  const history = new History(8, 16);
  const search = new Search(history, bytes("x"), true);
  history.push(UP, bytes("x......x"), 0);
  same(places(search), [0, 7]);
  history.push(UP, bytes("yyyx"), 1);
  same(places(search), [7, 11]);
});

test("places of a row are those that touch it", () => {
  const history = new History(64, 16);
  history.push(UP, bytes("..abcd..abcd"), 0);
  const search = new Search(history, bytes("abcd"), true);
  search.update();
  same([...search.between(4, 8)], [2]);
  same([...search.between(6, 8)], []);
  same([...search.between(0, 12)], [2, 8]);
});

test("0x means bytes, and so does everything in the hex view", () => {
  same([...needleOf("0x0d0a", "text").bytes], [13, 10]);
  same([...needleOf("0d 0a", "hex").bytes], [13, 10]);
  same([...needleOf("0d", "text").bytes], [...bytes("0d")]);
  same(needleOf("xyz", "hex"), null);
});
