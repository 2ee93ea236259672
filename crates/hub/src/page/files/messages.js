// Raw messages of a device, newest first.

import { page } from "./api.js";
import { h, setText } from "./dom.js";
import { bytes, clock, count, line, lines, when } from "./format.js";

// Rows that a page holds.
const MAX_ROWS = 200;
const PREVIEW = 240;

function properties(title, all) {
  const entries = Object.entries(all);
  if (!entries.length) return null;
  return [
    h("h3", {}, title),
    h(
      "dl",
      { class: "pairs" },
      entries.map(([name, value]) => [h("dt", {}, line(name)), h("dd", {}, value === null ? h("em", {}, "no value") : line(value))]),
    ),
  ];
}

// JSON with indentation where it is JSON: the numbers stay as they were written in the preview.
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function detail(message) {
  const body = message.text !== undefined ? pretty(message.text) : message.base64;
  const kind = message.text !== undefined ? "Body" : "Body in base64";
  const text = h("pre", { tabindex: "0" }, lines(body));
  const whole = message.cut
    ? h(
        "button",
        {
          type: "button",
          async onclick(event) {
            event.target.disabled = true;
            try {
              const all = await page("message", { number: message.number });
              const payload = all.event.payload;
              text.textContent = lines(typeof payload === "string" ? payload : JSON.stringify(payload, null, 2));
              event.target.remove();
            } catch (error) {
              event.target.textContent = line(error.message);
            }
          },
        },
        `Show all ${bytes(message.size)}`,
      )
    : null;
  return h(
    "div",
    { class: "detail" },
    h("h3", {}, kind),
    text,
    whole,
    properties("Application properties", message.properties),
    properties("System properties", message.system),
    h("p", { class: "muted" }, `Number ${message.number}, stored ${when(message.time)}`),
  );
}

function searchable(message) {
  return `${message.text ?? message.base64} ${JSON.stringify(message.properties)} ${JSON.stringify(message.system)}`.toLowerCase();
}

function makeRow(message) {
  const body = message.text ?? message.base64;
  const names = Object.keys(message.properties).length;
  const element = h(
    "details",
    { class: "message" },
    h(
      "summary",
      {},
      h("time", {}, clock(message.time)),
      h("span", { class: "size" }, bytes(message.size)),
      h("code", {}, line(body.slice(0, PREVIEW)) || "empty"),
      names ? h("span", { class: "tag" }, `${names} properties`.replace(/^1 properties/, "1 property")) : null,
    ),
  );
  // What is inside is made when somebody opens it.
  element.addEventListener("toggle", () => {
    if (element.open && element.children.length === 1) element.append(detail(message));
  });
  return element;
}

export function messagesPanel() {
  const list = h("div", { class: "messages", role: "log", "aria-live": "off", "aria-label": "Messages" });
  const filter = h("input", { type: "search", placeholder: "Text in body or properties", "aria-label": "Filter messages", autocomplete: "off" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const note = h("p", { class: "muted" });
  const empty = h("p", { class: "empty" }, "No message has come yet.");
  let kept = [];
  let waiting = [];
  let missed = 0;
  let paused = false;
  let isVisible = false;

  const matches = (message) => !filter.value || searchable(message).includes(filter.value.toLowerCase());

  function show() {
    if (!isVisible || paused || !waiting.length) return tell();
    const rows = waiting.filter(matches).slice(-MAX_ROWS).map(makeRow);
    list.prepend(...rows.reverse());
    while (list.children.length > MAX_ROWS) list.lastElementChild.remove();
    waiting = [];
    tell();
  }

  function tell() {
    const parts = [];
    if (paused) parts.push(`paused, ${count(waiting.length)}${waiting.length === MAX_ROWS ? " or more" : ""} new`);
    if (missed) parts.push(`${count(missed)} came too fast to be shown; the hub keeps them`);
    setText(note, parts.join(" · "));
    empty.hidden = kept.length > 0;
  }

  function again() {
    list.replaceChildren(...kept.filter(matches).map(makeRow).reverse());
    waiting = [];
    tell();
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    setText(pause, paused ? "Continue" : "Pause");
    if (paused) tell();
    else again();
  });
  filter.addEventListener("input", again);
  return {
    element: h(
      "section",
      { class: "card", "aria-label": "Messages" },
      h("div", { class: "cardhead" }, h("h2", {}, "Messages"), filter, pause),
      note,
      empty,
      list,
    ),
    add(data) {
      missed += data.missed;
      kept = kept.concat(data.messages).slice(-MAX_ROWS);
      waiting = waiting.concat(data.messages).slice(-MAX_ROWS);
      show();
    },
    clear() {
      kept = [];
      waiting = [];
      missed = 0;
      list.replaceChildren();
      tell();
    },
    visible(yes) {
      if (yes && !isVisible) {
        isVisible = true;
        again();
      }
      isVisible = yes;
    },
  };
}
