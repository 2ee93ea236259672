// Faults on demand, and what is injected now.

import { clientPath, hub, live, page } from "./api.js";
import { card, field, form, h, outcome, select } from "./dom.js";
import { addressOf } from "./devices.js";
import { count, line } from "./format.js";

const number = (label, value, min, max, hint) => ({ label, value, min, max, hint });
const times = number("Times", 1, 1, 1000000);

const often = (times) => (times === 1 ? "once" : `${count(times)} times`);

// Each verb with its parameters, in the order of a connection's life, and with words for what is injected.
const VERBS = [
  ["refuseConnect", "Refuse CONNECT", "The next CONNECTs, though right, are refused.", { code: { label: "Return code", options: [["5", "5, not authorized"], ["3", "3, server unavailable"]] }, times }, (fault) => `CONNECT is refused with ${fault.code}, ${often(fault.times)}`],
  ["dropConnection", "Drop the connection", "The connection is closed without a word.", {}],
  ["halfOpen", "Leave it half open", "The connection stays open, and nothing is read or written any more.", {}],
  ["takeOver", "Take it over", "The connection ends as if the same client had connected elsewhere.", {}],
  ["expireToken", "Expire the token", "The SAS token counts as expired, and so does any that expires no later.", {}],
  ["delayPuback", "Delay PUBACKs", "PUBACKs come late, until the fault is removed.", { milliseconds: number("Milliseconds", 2000, 0, 3600000) }, (fault) => `PUBACKs come ${count(fault.milliseconds)} ms late`],
  ["suppressPuback", "Suppress PUBACKs", "No PUBACKs are sent, until the fault is removed.", {}],
  ["failTwin", "Fail the twin", "The next requests to the twin fail: 429, or 500 to 599.", { status: number("Status", 503, 429, 599), times }, (fault) => `Requests to the twin fail with ${fault.status}, ${often(fault.times)}`],
  ["duplicateC2d", "Duplicate messages", "The next messages to the device come twice.", { times }, (fault) => (fault.times === 1 ? "The next message comes twice" : `The next ${count(fault.times)} messages come twice`)],
];

function parameter(name, about) {
  const input = about.options ? select(about.options, about.options[0][0]) : h("input", { type: "number", value: about.value, min: about.min, max: about.max, required: true });
  return { name, input, element: field(about.label, input, about.hint) };
}

function describe(fault) {
  const [, title, , , words] = VERBS.find(([verb]) => verb === fault.fault) ?? [null, line(fault.fault)];
  return words ? words(fault) : title;
}

export function faultsView(parameters, setLive) {
  const target = h("input", { id: "target", list: "clients", value: parameters[0] ?? "", autocomplete: "off", spellcheck: "false", required: true });
  const clients = h("datalist", { id: "clients" });
  const told = outcome();
  const registration = h("input", { autocomplete: "off", spellcheck: "false", required: true });
  const status = h("input", { type: "number", value: "429", min: "401", max: "599", required: true });
  const repeat = h("input", { type: "number", value: "1", min: "1", required: true });
  const registrationTold = outcome();
  const injected = h("ul", { class: "injected", "aria-label": "Injected now" });
  const none = h("p", { class: "empty" }, "Nothing is injected.");

  function verb([name, title, about, parameters]) {
    const inputs = Object.entries(parameters).map(([one, what]) => parameter(one, what));
    return form(
      { class: "verb", "aria-label": title, "data-fault": name },
      async () => {
        const id = target.value.trim();
        if (!id) return told.bad("Choose a device or module first, such as pump or pump/motor.");
        const fault = { fault: name };
        for (const { name: part, input } of inputs) fault[part] = Number(input.value);
        try {
          await hub("POST", clientPath("/faults", id), fault);
          told.good(`${title}: ${line(id)}`);
        } catch (error) {
          told.bad(line(error.message));
        }
      },
      h("div", { class: "about" }, h("h3", {}, title), h("p", { class: "muted" }, about)),
      inputs.length ? h("div", { class: "inline" }, inputs.map((input) => input.element)) : null,
      h("button", {}, "Inject"),
    );
  }

  async function clear(path, element) {
    element.disabled = true;
    try {
      await hub("DELETE", path);
      told.good("Removed.");
    } catch (error) {
      told.bad(line(error.message));
      element.disabled = false;
    }
  }

  function entry(title, link, texts, path) {
    const remove = h("button", { type: "button", "aria-label": `Remove the faults of ${title}`, onclick: (event) => clear(path, event.currentTarget) }, "Remove");
    return h("li", {}, h("div", {}, link ? h("a", { href: link }, title) : h("strong", {}, title), texts.map((text) => h("p", {}, text))), path ? remove : null);
  }

  const stop = live(
    "faults",
    {},
    {
      faults({ clients, registrations }) {
        const onlyFrozen = (faults) => faults.every((fault) => fault.fault === "halfOpen");
        injected.replaceChildren(
          ...clients.map(({ id, faults }) => entry(line(id), addressOf(id), faults.map(describe), onlyFrozen(faults) ? null : clientPath("/faults", id))),
          ...registrations.map(({ id, status, times }) =>
            entry(`Registration ${line(id)}`, null, [`Fails with ${status}, ${often(times)}`], `/registrations/${encodeURIComponent(id)}/faults`),
          ),
        );
        none.hidden = injected.children.length > 0;
      },
    },
    setLive,
  );
  page("ids")
    .then((ids) => clients.replaceChildren(...ids.map((id) => h("option", { value: id }))))
    .catch(() => {});

  const registrations = form(
    { class: "stack", "aria-label": "Fail a registration" },
    async () => {
      const id = registration.value.trim();
      if (!id) return registrationTold.bad("Write a registration id, such as pump-7.");
      try {
        await hub("POST", `/registrations/${encodeURIComponent(id)}/faults`, { status: Number(status.value), times: Number(repeat.value) });
        registrationTold.good(`The next requests of ${line(id)} fail.`);
      } catch (error) {
        registrationTold.bad(line(error.message));
      }
    },
    field("Registration id", registration),
    h("div", { class: "inline" }, field("401, 429, 500 to 599", status), field("Times", repeat)),
    h("button", {}, "Inject"),
    registrationTold.element,
  );
  return {
    title: "Faults",
    element: h(
      "div",
      {},
      h("div", { class: "headline" }, h("h1", {}, "Faults")),
      h(
        "div",
        { class: "split" },
        card("Have something go wrong", h("div", { class: "toolbar" }, field("Device or module", target, "device, or device/module")), clients, told.element, h("div", { class: "verbs" }, VERBS.map(verb))),
        h("div", { class: "stack" }, card("Injected now", none, injected), card("A registration with DPS", registrations)),
      ),
    ),
    stop,
  };
}
