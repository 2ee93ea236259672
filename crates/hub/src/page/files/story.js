// The story of a connection: what happened, newest first, with reasons.

import { h, setText } from "./dom.js";
import { clock, count, line, when } from "./format.js";

// Happenings that a page holds.
const MAX_ROWS = 120;

const TITLES = {
  connected: "Connected",
  ended: "Connection ended",
  closed: "Connection closed",
  file: "File",
  fault: "Fault injected",
  received: "Device sent",
  sent: "Hub sent",
};

function makeRow() {
  const parts = {
    time: h("time", {}),
    title: h("span", { class: "title" }),
    count: h("span", { class: "tag", hidden: true }),
    detail: h("p", {}),
  };
  const element = h("li", {}, parts.time, h("div", {}, h("div", { class: "what" }, parts.title, parts.count), parts.detail));
  return { element, ...parts };
}

function fill(row, happening) {
  row.element.className = `happening ${happening.what}`;
  setText(row.time, clock(happening.last));
  row.time.title = happening.count > 1 ? `${when(happening.time)} to ${when(happening.last)}` : when(happening.time);
  const title = TITLES[happening.what] ?? happening.what;
  setText(row.title, happening.label ? `${title} ${line(happening.label)}` : title);
  row.count.hidden = happening.count === 1;
  setText(row.count, `× ${count(happening.count)}`);
  setText(row.detail, line(happening.detail));
}

export function storyPanel() {
  const rows = new Map();
  const list = h("ol", { class: "story", tabindex: "0", "aria-label": "Connection, newest first" });
  const empty = h("p", { class: "empty" }, "Nothing has happened since the hub started.");
  const packets = h("input", { type: "checkbox", id: "packets", checked: true });
  packets.addEventListener("change", () => list.classList.toggle("without-packets", !packets.checked));
  return {
    element: h(
      "section",
      { class: "card", "aria-label": "Connection" },
      h("div", { class: "cardhead" }, h("h2", {}, "Connection"), h("label", { class: "check", for: "packets" }, packets, "Packets")),
      empty,
      list,
    ),
    add(happenings) {
      for (const happening of happenings) {
        let row = rows.get(happening.number);
        if (!row) {
          row = makeRow();
          rows.set(happening.number, row);
          list.prepend(row.element);
        }
        fill(row, happening);
        // What happened last is first; two that take turns stay where they are.
        if (row.element !== list.children[0] && row.element !== list.children[1]) list.prepend(row.element);
      }
      while (rows.size > MAX_ROWS) {
        const [number, row] = rows.entries().next().value;
        row.element.remove();
        rows.delete(number);
      }
      empty.hidden = rows.size > 0;
    },
    clear() {
      rows.clear();
      list.replaceChildren();
      empty.hidden = false;
    },
  };
}
