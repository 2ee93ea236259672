// Software updates with their deployments, files that devices uploaded, and feedback of messages.

import { hub, page } from "./api.js";
import { card, field, form, h, outcome, select } from "./dom.js";
import { addressOf } from "./devices.js";
import { bytes, count, line, when } from "./format.js";
import { table } from "./hub.js";

const PERIOD = 3000;
const KINDS = { Succeeded: "good", InProgress: "warn", Pending: "warn", Failed: "bad" };
const UPLOADS = { succeeded: "good", active: "warn", failed: "bad", expired: "bad" };

const nameOf = (id) => (id ? `${line(id.provider)} ${line(id.name)} ${line(id.version)}` : "–");
const moment = (text) => h("time", {}, when(Date.parse(text)));

function result({ resultCode, extendedResultCode, resultDetails }) {
  const parts = [];
  if (resultCode !== null && resultCode !== undefined) parts.push(`result ${resultCode}`);
  if (extendedResultCode) parts.push(`extended ${line(String(extendedResultCode))}`);
  if (resultDetails) parts.push(line(String(resultDetails)));
  return parts.join(", ") || "–";
}

function file(one) {
  const last = one.uploads.at(-1);
  const state = last ? h("span", { class: `tag ${UPLOADS[last.state] ?? ""}` }, line(last.state)) : "–";
  const why = last?.statusDescription ? h("p", { class: "muted" }, line(last.statusDescription)) : null;
  return [line(one.blobName), one.size === undefined ? "–" : bytes(one.size), line(one.contentType ?? "–"), one.lastModified ? moment(one.lastModified) : "–", h("div", {}, state, why)];
}

export function servicesView(_, setLive) {
  const boxes = Object.fromEntries(["updates", "devices", "files", "feedback"].map((name) => [name, h("div", {}, h("p", { class: "muted" }, "…"))]));
  const shown = new Map();
  const told = outcome();
  const chosen = select([], "", { id: "update" });
  const device = h("input", { id: "update-device", autocomplete: "off", spellcheck: "false" });
  const condition = h("input", { id: "update-condition", autocomplete: "off", spellcheck: "false" });
  let updates = [];

  // What did not change stays as it is, with what is selected in it.
  function put(name, data, build) {
    const text = JSON.stringify(data);
    if (shown.get(name) === text) return;
    shown.set(name, text);
    boxes[name].replaceChildren(build());
  }

  async function cancel(id, button) {
    button.disabled = true;
    try {
      await hub("DELETE", `/updates/deployments?device=${encodeURIComponent(id)}`);
      told.good(`The update of ${line(id)} is cancelled.`);
      await refresh();
    } catch (error) {
      told.bad(line(error.message));
      button.disabled = false;
    }
  }

  function deployed({ id, state }) {
    const stop = state.workflow && !["Succeeded", "Canceled", "Failed", "None"].includes(state.state);
    const button = stop ? h("button", { type: "button", "aria-label": `Cancel the update of ${line(id)}`, onclick: (event) => cancel(id, event.currentTarget) }, "Cancel") : "";
    return [h("a", { href: addressOf(id) }, line(id)), h("span", { class: `tag ${KINDS[state.state] ?? ""}` }, line(state.state)), nameOf(state.update), nameOf(state.installed), result(state), button];
  }

  const more = (all, rows) => (all > rows.length ? h("p", { class: "muted" }, `The first ${count(rows.length)} of ${count(all)} are shown.`) : null);

  async function refresh() {
    try {
      const [first, second] = await Promise.all([page("updates"), page("files-and-feedback")]);
      updates = first.updates;
      put("updates", updates, () => {
        const before = chosen.value;
        chosen.replaceChildren(...updates.map(({ id }, at) => h("option", { value: String(at) }, nameOf(id))));
        if (before) chosen.value = before;
        const kinds = (sets) => sets.map((set) => Object.entries(set).map(([name, value]) => `${line(name)} ${line(value)}`).join(", ")).join("; ");
        return table(["Update", "For", "File", "Size"], updates.map((one) => [nameOf(one.id), kinds(one.compatibility), line(one.fileName), bytes(one.size)]), "No update is imported. `local-hub update import FILE` imports one.");
      });
      put("devices", [first.devices, first.count], () =>
        h("div", {}, table(["Device", "State", "Deployed", "Installed", "Result", ""], first.devices.map(deployed), "No device has reported that it takes updates, and none is deployed."), more(first.count, first.devices)),
      );
      const { counts, files, feedback } = second;
      put("files", [files, counts], () => h("div", {}, table(["File", "Size", "Type", "Stored", "Upload"], files.map(file), "No device has uploaded a file."), more(counts.files, files)));
      put("feedback", [feedback, counts], () =>
        h(
          "div",
          {},
          table(["Message", "Device", "Outcome", "At"], feedback.map((one) => [line(one.originalMessageId || "–"), h("a", { href: addressOf(one.deviceId) }, line(one.deviceId)), line(one.description), moment(one.enqueuedTimeUtc)]), "No feedback waits. A message that asks for it (`--ack full`) gives some."),
          more(counts.feedback, feedback),
        ),
      );
      setLive("live");
    } catch (error) {
      setLive("waiting");
      // While the hub is gone, what it said last stays.
      if (error.status !== 0) told.bad(line(error.message));
    }
  }

  const deploy = form(
    { class: "stack", "aria-label": "Deploy an update" },
    async () => {
      const update = updates[Number(chosen.value)];
      if (!update) return told.bad("Import an update first: local-hub update import FILE.");
      const id = device.value.trim();
      const where = condition.value.trim();
      if (id && where) return told.bad("Give a device or a condition, not both.");
      const query = id ? `?device=${encodeURIComponent(id)}` : where ? `?condition=${encodeURIComponent(where)}` : "";
      try {
        const outcomes = Object.values(await hub("POST", `/updates/deployments${query}`, { update: update.id }));
        const refused = outcomes.filter((one) => one.refused);
        const taken = outcomes.length - refused.length;
        const text = `Deployed to ${count(taken)}; ${count(refused.length)} refused${refused.length ? `: ${line(refused[0].refused)}` : ""}.`;
        if (taken) told.good(text);
        else told.bad(text);
        await refresh();
      } catch (error) {
        told.bad(line(error.message));
      }
    },
    h("div", { class: "inline hinted" }, field("Update", chosen), field("Device", device, "empty for all"), field("Or those where", condition, "such as tags.site = 'north'")),
    h("button", { class: "primary" }, "Deploy"),
    told.element,
  );
  refresh();
  const timer = setInterval(() => document.hidden || refresh(), PERIOD);
  return {
    title: "Updates",
    element: h(
      "div",
      {},
      h("div", { class: "headline" }, h("h1", {}, "Updates and files")),
      card("Imported updates", boxes.updates),
      card("Deploy", deploy),
      card("Updates of devices", boxes.devices),
      card("Files of devices", boxes.files),
      card("Feedback of messages", boxes.feedback),
    ),
    stop() {
      clearInterval(timer);
    },
  };
}
