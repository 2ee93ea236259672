// The hub's log, newest line first.

import { live } from "./api.js";
import { field, h, select, setText } from "./dom.js";
import { clock, count, line, when } from "./format.js";

// Lines that a page holds, and shows.
const MAX_LINES = 1000;
const MAX_ROWS = 500;
const LEVELS = ["error", "warn", "info", "debug", "trace"];

export function logView(_, setLive) {
  const filter = h("input", { type: "search", placeholder: "Text or id", autocomplete: "off", spellcheck: "false" });
  const level = select([["error", "Errors"], ["warn", "Warnings and errors"], ["info", "Information"], ["trace", "Everything"]], "trace");
  const list = h("ol", { class: "log", tabindex: "0", "aria-label": "Log, newest first" });
  const note = h("p", { class: "muted" });
  const empty = h("p", { class: "empty" }, "The program that runs this hub has logged nothing here.");
  let kept = [];
  let missed = 0;

  const wanted = (entry) => LEVELS.indexOf(entry.level) <= LEVELS.indexOf(level.value) && (!filter.value || entry.text.toLowerCase().includes(filter.value.toLowerCase()));
  const makeRow = (entry) =>
    h("li", { class: entry.level }, h("time", { title: when(entry.time) }, clock(entry.time)), h("span", { class: "level" }, entry.level), h("code", {}, line(entry.text)));

  function show(entries) {
    const rows = entries.filter(wanted).slice(-MAX_ROWS).map(makeRow).reverse();
    list.prepend(...rows);
    while (list.children.length > MAX_ROWS) list.lastElementChild.remove();
    setText(note, missed ? `${count(missed)} lines came too fast to be shown.` : "");
    empty.hidden = list.children.length > 0;
    setText(empty, kept.length ? "No line matches." : "The program that runs this hub has logged nothing here.");
  }

  function again() {
    list.replaceChildren();
    show(kept);
  }

  filter.addEventListener("input", again);
  level.addEventListener("change", again);
  const stop = live(
    "log",
    {},
    {
      begin() {
        kept = [];
        missed = 0;
        list.replaceChildren();
      },
      log(data) {
        missed += data.missed;
        kept = kept.concat(data.lines).slice(-MAX_LINES);
        show(data.lines);
      },
    },
    setLive,
  );
  return {
    title: "Log",
    element: h(
      "div",
      {},
      h("div", { class: "headline" }, h("h1", {}, "Log")),
      h("div", { class: "toolbar" }, field("Filter", filter), field("Level", level)),
      h("section", { class: "card", "aria-label": "Log" }, note, empty, list),
    ),
    stop,
  };
}
