// A device or module: what it says and is told.

import { clientPath, hub, live } from "./api.js";
import { h, outcome, setText } from "./dom.js";
import { addressOf, badge, stateOf } from "./devices.js";
import { ago, count, counted, line, span, when } from "./format.js";
import { commandsPanel } from "./commands.js";
import { messagesPanel } from "./messages.js";
import { modelOf } from "./dtdl.js";
import { plotsPanel } from "./plots.js";
import { storyPanel } from "./story.js";
import { twinPanel } from "./twin.js";

const TABS = [
  ["live", "Live"],
  ["messages", "Messages"],
  ["twin", "Twin"],
  ["send", "Methods and messages"],
  ["modules", "Modules"],
];

function modulesPanel() {
  const body = h("tbody", {});
  const empty = h("p", { class: "empty" }, "This device has no modules.");
  let shown = "";
  const columns = ["Module", "State", "Last message", "Messages", "Waiting"];
  const head = h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name))));
  return {
    element: h("div", { class: "tablebox" }, h("table", {}, head, body), empty),
    set(modules) {
      const next = JSON.stringify(modules);
      if (next === shown) return;
      shown = next;
      empty.hidden = modules.length > 0;
      body.replaceChildren(
        ...modules.map((row) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, h("a", { href: addressOf(row.id) }, line(row.id.split("/")[1]))),
            h("td", { "data-label": "State" }, badge(row)),
            h("td", { "data-label": "Last message" }, when(row.lastMessage)),
            h("td", { "data-label": "Messages" }, count(row.messages)),
            h("td", { "data-label": "Waiting" }, count(row.queue)),
          ),
        ),
      );
    },
  };
}

export function deviceView(parameters, setLive, isModule) {
  const idParts = isModule ? 2 : 1;
  const clientId = parameters.slice(0, idParts).join("/");
  const name = isModule ? "module" : "device";
  const plots = plotsPanel();
  const story = storyPanel();
  const messages = messagesPanel();
  const twin = twinPanel(clientId);
  const commands = commandsPanel(clientId, isModule);
  const modules = modulesPanel();
  let row = null;
  let modelId = null;

  const state = h("span", { class: "badge idle" }, "…");
  const facts = h("p", { class: "facts" });
  const reason = h("p", { class: "reason", hidden: true });
  const told = outcome();
  const enable = h("button", { type: "button" }, "Disable");
  const disconnect = h("button", { type: "button" }, "Disconnect");
  enable.addEventListener("click", async () => {
    const status = row.enabled ? "disabled" : "enabled";
    try {
      const path = clientPath("/devices", clientId);
      const entry = await hub("GET", path);
      await hub("PUT", path, { ...entry, status }, "*");
      told.good(`The ${name} is ${status}.`);
    } catch (error) {
      told.bad(line(error.message));
    }
  });
  disconnect.addEventListener("click", async () => {
    try {
      await hub("POST", clientPath("/faults", clientId), { fault: "dropConnection" });
      told.good("The connection is closed.");
    } catch (error) {
      told.bad(line(error.message));
    }
  });

  function showFacts() {
    if (!row) return;
    const [text, kind] = stateOf(row);
    setText(state, text);
    state.className = `badge ${kind}`;
    const parts = [row.authentication];
    if (row.since) parts.push(`${row.connected ? "connected" : "disconnected"} for ${span(Date.now() - row.since)}`);
    parts.push(row.lastMessage ? `last message ${ago(row.lastMessage)}` : "no message");
    parts.push(counted(row.messages, "message"), `${count(row.queue)} waiting`);
    if (modelId) parts.push(line(modelId));
    setText(facts, parts.join(" · "));
    facts.title = row.since ? `since ${when(row.since)}` : "";
    reason.hidden = row.connected || !row.reason;
    if (!reason.hidden) setText(reason, `The last connection ended: ${line(row.reason)}`);
    setText(enable, row.enabled ? "Disable" : "Enable");
    enable.disabled = false;
    disconnect.disabled = !row.connected;
    if (row.statusReason) state.title = line(row.statusReason);
  }

  enable.disabled = disconnect.disabled = true;
  const panels = {
    live: h("div", { class: "split" }, plots.element, story.element),
    messages: messages.element,
    twin: twin.element,
    send: commands.element,
    modules: modules.element,
  };
  const tabs = isModule ? TABS.filter(([id]) => id !== "modules") : TABS;
  const links = new Map(tabs.map(([id, text]) => [id, h("a", { href: addressOf(clientId, id) }, text)]));
  const panel = h("div", { class: "panel" });

  function showTab(wanted) {
    const tab = links.has(wanted) ? wanted : "live";
    for (const [id, link] of links) {
      if (id === tab) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    panel.replaceChildren(panels[tab]);
    plots.visible(tab === "live");
    messages.visible(tab === "messages");
  }

  async function useModel(id) {
    modelId = id || null;
    showFacts();
    const model = modelId ? await modelOf(modelId) : null;
    commands.setModel(modelId, model);
    plots.setModel(model);
    twin.setModel(model);
  }

  const gone = h("p", { class: "notice", hidden: true }, `There is no ${name} with this id.`);
  const stop = live(
    "device",
    isModule ? { device: parameters[0], module: parameters[1] } : { device: parameters[0] },
    {
      begin() {
        gone.hidden = true;
        plots.clear();
        messages.clear();
        story.clear();
      },
      device(data) {
        gone.hidden = true;
        row = data;
        showFacts();
        modules.set(data.modules);
        commands.setQueue(data.queue);
      },
      twin(data) {
        twin.set(data);
        if ((data.modelId || null) !== modelId || modelId === null) useModel(data.modelId);
      },
      story: (happenings) => story.add(happenings),
      messages(data) {
        plots.add(data.messages);
        messages.add(data);
      },
      gone() {
        gone.hidden = false;
        enable.disabled = disconnect.disabled = true;
      },
    },
    setLive,
  );
  const clock = setInterval(showFacts, 1000);
  showTab(parameters[idParts]);

  const up = isModule ? addressOf(parameters[0], "modules") : "#/devices";
  const shown = line(isModule ? parameters[1] : parameters[0]);
  return {
    title: shown,
    element: h(
      "div",
      {},
      h(
        "div",
        { class: "headline" },
        h("a", { class: "up", href: up }, isModule ? line(parameters[0]) : "Devices"),
        h("h1", {}, shown),
        state,
        h(
          "div",
          { class: "actions" },
          h("a", { class: "button", href: `#/faults/${encodeURIComponent(clientId)}` }, "Faults"),
          disconnect,
          enable,
        ),
      ),
      facts,
      told.element,
      gone,
      reason,
      h("nav", { class: "tabs", "aria-label": `Parts of the ${name}` }, [...links.values()]),
      panel,
    ),
    // The same device in another tab keeps its data.
    update(view, next) {
      if (view !== name || next.slice(0, idParts).join("/") !== clientId) return false;
      showTab(next[idParts]);
      return true;
    },
    stop() {
      clearInterval(clock);
      plots.stop();
      stop();
    },
  };
}
