// What an operator tells a device: direct methods and messages.

import { clientPath, hub } from "./api.js";
import { card, field, form, h, outcome, select, setText } from "./dom.js";
import { bytes, clock, counted, line, lines } from "./format.js";
import { check } from "./json.js";
import { input } from "./schema.js";

const MAX_ANSWERS = 10;

function seconds(value, attributes) {
  return h("input", { type: "number", min: "0", max: "300", value, ...attributes });
}

function answers() {
  const list = h("ol", { class: "answers", "aria-label": "Answers, newest first", "aria-live": "polite" });
  return {
    element: list,
    add(title, good, text) {
      const head = h("div", { class: "what" }, h("time", {}, clock(Date.now())), h("span", { class: `tag ${good ? "good" : "bad"}` }, title));
      list.prepend(h("li", {}, head, text ? h("pre", { tabindex: "0" }, lines(text)) : null));
      while (list.children.length > MAX_ANSWERS) list.lastElementChild.remove();
    },
  };
}

function methodsCard(clientId) {
  const told = outcome();
  const heard = answers();
  const name = h("input", { autocomplete: "off", spellcheck: "false", maxlength: "100", required: true });
  const payload = h("textarea", { rows: "5", class: "code", spellcheck: "false" });
  const response = seconds("30", { min: "5" });
  const connect = seconds("0");
  const known = h("div", { class: "stack" });
  const intro = h("p", { class: "muted" });

  async function call(method, value) {
    told.busy(`Calling ${line(method)}…`);
    const body = {
      methodName: method,
      responseTimeoutInSeconds: Number(response.value),
      connectTimeoutInSeconds: Number(connect.value),
    };
    if (value !== undefined) body.payload = value;
    try {
      const began = performance.now();
      const answer = await hub("POST", clientPath("/twins", clientId, "/methods"), body);
      const time = Math.round(performance.now() - began);
      const good = answer.status >= 200 && answer.status < 300;
      told.clear();
      heard.add(`${line(method)}: ${answer.status} after ${time} ms`, good, answer.payload === null ? "" : JSON.stringify(answer.payload, null, 2));
    } catch (error) {
      told.bad(line(error.message));
      heard.add(`${line(method)}: no answer`, false, error.message);
    }
  }

  const free = form(
    { class: "stack", "aria-label": "Call a method by its name" },
    async () => {
      if (!name.value.trim()) return told.bad("Write the name of a method, such as reboot.");
      if (!payload.value.trim()) return call(name.value.trim());
      const { value, error } = check(payload.value);
      return error ? told.bad(`Payload: ${error}`) : call(name.value.trim(), value);
    },
    field("Method", name),
    field("Payload", payload, "JSON; empty for none"),
    h("button", { class: "primary" }, "Call"),
  );
  const other = h("details", { class: "quiet" }, h("summary", {}, "Another method"), free);

  function command(one) {
    const request = one.request ? input("Request", one.request, undefined, true) : null;
    const button = h("button", { class: "primary" }, "Call");
    const element = form(
      { class: "command", "aria-label": `Call ${line(one.name)}` },
      async () => {
        try {
          await call(one.name, request?.read());
        } catch (error) {
          told.bad(error.message);
        }
      },
      h("div", { class: "what" }, h("h3", {}, line(one.name)), button),
      one.description ? h("p", { class: "muted" }, line(one.description)) : null,
      request?.element,
    );
    return element;
  }

  return {
    element: card("Direct methods", intro, known, other, h("div", { class: "inline" }, field("Seconds to answer", response), field("Seconds to connect", connect)), told.element, heard.element),
    setModel(id, model) {
      known.replaceChildren(...(model?.commands ?? []).map(command));
      other.open = !model?.commands.length;
      if (model) setText(intro, `From the model ${line(model.name)}.`);
      else if (id) setText(intro, `The hub has no model ${line(id)}; start it with --models DIR for forms.`);
      else setText(intro, "The device announced no model.");
    },
  };
}

function propertyRows() {
  const rows = h("div", { class: "stack" });
  function add() {
    const name = h("input", { "aria-label": "Name of a property", placeholder: "Name", autocomplete: "off", spellcheck: "false" });
    const value = h("input", { "aria-label": "Value of a property", placeholder: "Value", autocomplete: "off", spellcheck: "false" });
    const remove = h("button", { type: "button", "aria-label": "Remove the property" }, "×");
    const row = h("div", { class: "pair" }, name, value, remove);
    row.read = () => [name.value, value.value];
    remove.addEventListener("click", () => row.remove());
    rows.append(row);
    name.focus();
  }
  const more = h("button", { type: "button" }, "Add a property");
  more.addEventListener("click", add);
  return { element: h("div", { class: "stack" }, rows, h("div", {}, more)), read: () => [...rows.children].map((row) => row.read()) };
}

function encode(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

function messageCard(clientId, isModule) {
  const told = outcome();
  const body = h("textarea", { rows: "5", class: "code", spellcheck: "false" });
  const id = h("input", { autocomplete: "off", maxlength: "128" });
  const type = h("input", { autocomplete: "off", placeholder: "application/json", spellcheck: "false" });
  const acks = ["none", "positive", "negative", "full"].map((ack) => [ack, ack]);
  const ack = select(acks, "none");
  const life = h("input", { type: "number", min: "1", placeholder: "3600" });
  const properties = propertyRows();
  const waiting = h("p", { class: "muted" });
  const purge = h("button", { type: "button" }, "Discard what waits");
  purge.addEventListener("click", async () => {
    try {
      const result = await hub("DELETE", `/devices/${encodeURIComponent(clientId)}/commands`);
      told.good(`${counted(result.totalMessagesPurged, "message")} discarded.`);
    } catch (error) {
      told.bad(line(error.message));
    }
  });
  const send = form(
    { class: "stack", "aria-label": "Send a message" },
    async () => {
      const message = { body: encode(body.value), properties: properties.read(), ack: ack.value };
      if (id.value) message.messageId = id.value;
      if (type.value) message.contentType = type.value;
      if (life.value) message.expiry = Date.now() + Number(life.value) * 1000;
      told.busy("Sending…");
      try {
        await hub("POST", clientPath("/devices", clientId, "/messages/deviceBound"), message);
        told.good(`Queued, ${bytes(new TextEncoder().encode(body.value).length)}.`);
      } catch (error) {
        told.bad(line(error.message));
      }
    },
    field("Body", body),
    properties.element,
    h("div", { class: "inline" }, field("Message id", id), field("Content type", type)),
    h("div", { class: "inline" }, field("Feedback", ack), field("Seconds to live", life)),
    h("div", { class: "buttons" }, h("button", { class: "primary" }, "Send"), isModule ? null : purge),
  );
  return {
    element: card("Cloud-to-device message", waiting, send, told.element),
    setQueue(queue) {
      setText(waiting, queue ? `${counted(queue, "message waits", "messages wait")} for the device or its acknowledgement.` : "No message waits.");
    },
  };
}

export function commandsPanel(clientId, isModule) {
  const methods = methodsCard(clientId);
  const message = messageCard(clientId, isModule);
  return {
    element: h("div", { class: "split even" }, methods.element, message.element),
    setModel: methods.setModel,
    setQueue: message.setQueue,
  };
}
