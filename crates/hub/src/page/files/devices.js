// The list of devices.

import { hub, live } from "./api.js";
import { field, form, h, outcome, select, setText } from "./dom.js";
import { ago, count, counted, line, when } from "./format.js";

const STATES = [
  ["all", "All"],
  ["connected", "Connected"],
  ["disconnected", "Not connected"],
  ["disabled", "Disabled"],
];
// Rows that the hub gives at a time.
const PAGE = 200;
const COLUMNS = ["Device", "State", "Last message", "Messages", "Waiting", "Why it is not connected"];

// The address of the view of a device or module.
export function addressOf(clientId, tab) {
  const [device, module] = clientId.split("/").map(encodeURIComponent);
  const address = module === undefined ? `#/device/${device}` : `#/module/${device}/${module}`;
  return tab ? `${address}/${tab}` : address;
}

// State of a device in a word, as text and as a class.
export function stateOf(row) {
  if (!row.enabled) return ["Disabled", "off"];
  return row.connected ? ["Connected", "good"] : ["Not connected", "idle"];
}

export function badge(row) {
  const [text, kind] = stateOf(row);
  return h("span", { class: `badge ${kind}` }, text);
}

function makeRow() {
  const cells = COLUMNS.map((name, at) => h(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : { "data-label": name }));
  const link = h("a", {});
  cells[0].append(link);
  const state = h("span", {});
  cells[1].append(state);
  return { element: h("tr", {}, cells), cells, link, state, data: null };
}

function fill(row, data) {
  row.data = data;
  setText(row.link, line(data.id));
  row.link.setAttribute("href", addressOf(data.id));
  const [text, kind] = stateOf(data);
  setText(row.state, text);
  row.state.className = `badge ${kind}`;
  setText(row.cells[3], count(data.messages));
  setText(row.cells[4], count(data.queue));
  row.cells[4].classList.toggle("some", data.queue > 0);
  setText(row.cells[5], data.connected ? "" : line(data.reason ?? ""));
  age(row);
}

function age(row) {
  const { lastMessage } = row.data;
  setText(row.cells[2], ago(lastMessage));
  row.cells[2].title = lastMessage ? when(lastMessage) : "";
}

function registration() {
  const id = h("input", { autocomplete: "off", spellcheck: "false", maxlength: "128", required: true });
  const told = outcome();
  const made = h("p", { class: "secret", hidden: true });
  const element = form(
    { class: "inline" },
    async () => {
      made.hidden = true;
      try {
        const device = await hub("PUT", `/devices/${encodeURIComponent(id.value.trim())}`, { deviceId: id.value.trim() });
        told.good(`${line(device.deviceId)} is registered with symmetric keys. Its connection string is printed by:`);
        made.textContent = `local-hub device connection-string ${line(device.deviceId)}`;
        made.hidden = false;
        id.value = "";
      } catch (error) {
        told.bad(line(error.message));
      }
    },
    field("Device id", id),
    h("button", {}, "Register"),
  );
  return h("details", { class: "card quiet" }, h("summary", {}, "Register a device"), element, told.element, made);
}

export function devicesView(_, setLive) {
  const rows = new Map();
  const body = h("tbody", {});
  const totals = h("p", { class: "totals", role: "status" }, "");
  const more = h("p", { class: "muted", role: "status" });
  const empty = h("p", { class: "empty", hidden: true });
  const filter = h("input", { type: "search", id: "filter", placeholder: "Part of an id", autocomplete: "off", spellcheck: "false" });
  const state = select(STATES, "all", { id: "state" });
  const previous = h("button", { type: "button", onclick: () => turn(-PAGE) }, "Previous");
  const next = h("button", { type: "button", onclick: () => turn(PAGE) }, "Next");
  const pages = h("div", { class: "inline pages", hidden: true }, previous, more, next);
  let from = 0;
  let stop = () => {};

  function turn(by) {
    from = Math.max(0, from + by);
    follow();
  }

  function sort() {
    const sorted = [...rows.values()].sort((one, other) => (one.data.id < other.data.id ? -1 : 1));
    sorted.forEach((row, at) => {
      if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] ?? null);
    });
  }

  function follow() {
    stop();
    const wanted = { filter: filter.value.trim(), state: state.value, from };
    stop = live(
      "devices",
      wanted,
      {
        begin() {
          rows.clear();
          body.replaceChildren();
        },
        devices({ changed, gone }) {
          for (const id of gone) {
            rows.get(id)?.element.remove();
            rows.delete(id);
          }
          let added = false;
          for (const data of changed) {
            let row = rows.get(data.id);
            if (!row) {
              row = makeRow();
              rows.set(data.id, row);
              added = true;
            }
            fill(row, data);
          }
          if (added) sort();
        },
        totals({ registered, connected, disabled, matching, shown, from: first }) {
          const parts = [counted(registered, "device"), `${count(connected)} connected`];
          if (disabled) parts.push(`${count(disabled)} disabled`);
          setText(totals, parts.join(" · "));
          pages.hidden = shown >= matching;
          previous.disabled = first === 0;
          next.disabled = first + shown >= matching;
          setText(more, shown ? `${count(first + 1)} to ${count(first + shown)} of ${count(matching)}` : `none of ${count(matching)}`);
          empty.hidden = matching > 0;
          setText(empty, registered ? "No device matches." : "No device is registered yet.");
        },
      },
      setLive,
    );
  }

  function begin() {
    from = 0;
    follow();
  }

  let typing = 0;
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(begin, 200);
  });
  state.addEventListener("change", begin);
  const clock = setInterval(() => rows.forEach(age), 1000);
  follow();
  return {
    title: "Devices",
    element: h(
      "div",
      {},
      h("div", { class: "headline" }, h("h1", {}, "Devices"), totals),
      h("div", { class: "toolbar" }, field("Filter", filter), field("State", state)),
      h(
        "div",
        { class: "tablebox" },
        h("table", { class: "devices" }, h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))), body),
        empty,
      ),
      pages,
      registration(),
    ),
    stop() {
      clearInterval(clock);
      clearTimeout(typing);
      stop();
    },
  };
}
