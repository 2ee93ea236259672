// The hub's log, and what happened to all connections; newest first.

import { live } from "./api.js";
import { field, h, select, setText } from "./dom.js";
import { addressOf } from "./devices.js";
import { clock, count, line, when } from "./format.js";

// Entries that a page holds, and shows.
const MAX_KEPT = 1000;
const MAX_ROWS = 500;
const LEVELS = ["error", "warn", "info", "debug", "trace"];
const HAPPENINGS = { connected: ["connected", "info"], ended: ["ended", "info"], closed: ["closed", "warn"], fault: ["fault", "warn"] };

const SOURCES = {
  log: {
    none: "Nothing was logged yet, or the program that runs this hub keeps its log elsewhere.",
    searched: (entry) => entry.text,
    level: (entry) => entry.level,
    row: (entry) =>
      h("li", { class: entry.level }, h("time", { title: when(entry.time) }, clock(entry.time)), h("span", { class: "level" }, entry.level), h("code", {}, line(entry.text))),
  },
  connections: {
    none: "No device has connected since the hub started.",
    searched: (entry) => `${entry.subject} ${entry.detail}`,
    level: (entry) => HAPPENINGS[entry.what]?.[1] ?? "info",
    row: (entry) => {
      const [word, level] = HAPPENINGS[entry.what] ?? [entry.what, "info"];
      const what = h("span", {}, h("a", { href: addressOf(entry.subject) }, line(entry.subject)), " ", line(entry.detail));
      return h("li", { class: level }, h("time", { title: when(entry.time) }, clock(entry.time)), h("span", { class: "level" }, word), what);
    },
  },
};

export function logView(_, setLive) {
  const source = select([["log", "Log"], ["connections", "Connections and faults"]], "log");
  const filter = h("input", { type: "search", placeholder: "Text or id", autocomplete: "off", spellcheck: "false" });
  const level = select([["error", "Errors"], ["warn", "Warnings and errors"], ["info", "Information"], ["trace", "Everything"]], "trace");
  const list = h("ol", { class: "log", tabindex: "0", "aria-label": "Entries, newest first" });
  const note = h("p", { class: "muted" });
  const empty = h("p", { class: "empty" });
  let kept = { log: [], connections: [] };
  let missed = 0;

  function wanted(entry) {
    const about = SOURCES[source.value];
    const isLevel = LEVELS.indexOf(about.level(entry)) <= LEVELS.indexOf(level.value);
    return isLevel && (!filter.value || about.searched(entry).toLowerCase().includes(filter.value.toLowerCase()));
  }

  function show(entries) {
    const about = SOURCES[source.value];
    list.prepend(...entries.filter(wanted).slice(-MAX_ROWS).map(about.row).reverse());
    while (list.children.length > MAX_ROWS) list.lastElementChild.remove();
    setText(note, missed && source.value === "log" ? `${count(missed)} lines came too fast to be shown.` : "");
    empty.hidden = list.children.length > 0;
    setText(empty, kept[source.value].length ? "No line matches." : about.none);
  }

  function again() {
    list.replaceChildren();
    show(kept[source.value]);
  }

  function add(name, entries) {
    kept[name] = kept[name].concat(entries).slice(-MAX_KEPT);
    if (source.value === name) show(entries);
  }

  filter.addEventListener("input", again);
  for (const choice of [level, source]) choice.addEventListener("change", again);
  const stop = live(
    "log",
    {},
    {
      begin() {
        kept = { log: [], connections: [] };
        missed = 0;
        again();
      },
      log(data) {
        missed += data.missed;
        add("log", data.lines);
      },
      connections: (happenings) => add("connections", happenings),
    },
    setLive,
  );
  return {
    title: "Log",
    element: h(
      "div",
      {},
      h("div", { class: "headline" }, h("h1", {}, "Log")),
      h("div", { class: "toolbar" }, field("Show", source), field("Filter", filter), field("Level", level)),
      h("section", { class: "card", "aria-label": "Log" }, note, empty, list),
    ),
    stop,
  };
}
