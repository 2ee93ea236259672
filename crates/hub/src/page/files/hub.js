// The hub itself: where it listens, its certificates, its limits, and the provisioning service.

import { hub, live } from "./api.js";
import { card, h, setText } from "./dom.js";
import { bytes, count, counted, day, line, span, when } from "./format.js";

const DAY = 86400000;

function pairs(entries) {
  return h(
    "dl",
    { class: "pairs" },
    entries.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}

export function table(columns, rows, none) {
  if (!rows.length) return h("p", { class: "empty" }, none);
  return h(
    "div",
    { class: "tablebox" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
      h(
        "tbody",
        {},
        rows.map((cells) => h("tr", {}, cells.map((cell, at) => h(at ? "td" : "th", at ? { "data-label": columns[at] } : { scope: "row" }, cell)))),
      ),
    ),
  );
}

function validity({ notBefore, notAfter }) {
  const now = Date.now();
  if (now > notAfter) return h("span", { class: "tag bad" }, `expired ${day(notAfter)}`);
  if (now < notBefore) return h("span", { class: "tag bad" }, `not valid before ${day(notBefore)}`);
  const soon = notAfter - now < 30 * DAY;
  return h("span", { class: soon ? "tag short warn" : "tag short good" }, `for ${span(notAfter - now)}`);
}

function certificates(data) {
  const all = [...data.certificates, ...data.uploadedAuthorities.map((one) => ({ purpose: "CA of devices, uploaded", ...one }))];
  return table(
    ["Purpose", "Subject", "Issuer", "From", "Until", "Valid"],
    all.map((one) => [one.purpose, line(one.subject), line(one.issuer), h("time", {}, day(one.notBefore)), h("time", {}, day(one.notAfter)), validity(one)]),
    "None.",
  );
}

function quota({ quota }) {
  if (!quota) return h("p", { class: "muted" }, "No daily quota. `serve --daily-quota MESSAGES` or `--throttle TIER` sets one.");
  const share = quota.limit ? Math.min(1, quota.used / quota.limit) : 1;
  const meter = h("progress", { max: "1", value: share, "aria-label": "Messages of today" });
  return h("div", {}, h("p", {}, `${count(quota.used)} of ${count(quota.limit)} messages today (UTC)`), meter);
}

function rates({ throttling }) {
  if (!throttling) return h("p", { class: "muted" }, "Nothing is throttled. `serve --throttle TIER` sets a tier's rates.");
  return pairs(throttling.map(([name, rate]) => [name, count(rate)]));
}

const KINDS = { symmetricKey: "Symmetric key", x509Thumbprint: "X.509 thumbprint", x509Ca: "X.509 CA" };

function enrolments(individual, groups) {
  const row = (kind, id) => (one) => [
    line(one[id]),
    kind,
    KINDS[one.attestation.type] ?? line(one.attestation.type),
    h("span", { class: one.status === "enabled" ? "tag good" : "tag" }, one.status),
    one.deviceId ? line(one.deviceId) : "–",
    one.failure ? `fails with ${one.failure[0]}` : one.assigning ? `after ${counted(one.assigning, "question")}` : "at once",
  ];
  return table(
    ["Enrolment", "Of", "Proof", "Status", "Device id", "Assigned"],
    [...individual.map(row("one registration", "registrationId")), ...groups.map(row("a group", "enrollmentGroupId"))],
    "Nothing is enrolled. `local-hub dps enroll ID` enrols a registration.",
  );
}

function registrations({ count: all, registrations }) {
  if (!all) return h("p", { class: "empty" }, "No device has registered yet.");
  const titles = { connected: "Connected", ended: "Ended", closed: "Closed", sent: "Answered", fault: "Fault" };
  return h(
    "div",
    { class: "stack" },
    registrations.map(({ id, assigned, story }) =>
      h(
        "details",
        { class: "quiet registration", "data-id": id },
        h("summary", {}, h("strong", {}, line(id)), assigned ? ` is device ${line(assigned.deviceId)} since ${when(Date.parse(assigned.created))}` : " was not assigned"),
        story.length
          ? h(
              "ol",
              { class: "story" },
              story.map((one) =>
                h("li", { class: `happening ${one.what}` }, h("time", {}, when(one.time)), h("div", {}, h("div", { class: "what" }, h("span", { class: "title" }, titles[one.what] ?? one.what)), h("p", {}, line(one.detail)))),
              ).reverse(),
            )
          : h("p", { class: "muted" }, "The hub has kept nothing of its story."),
      ),
    ),
    all > registrations.length ? h("p", { class: "muted" }, `The first ${registrations.length} of ${all} are shown.`) : null,
  );
}

export function hubView(_, setLive) {
  const boxes = Object.fromEntries(["endpoints", "certificates", "quota", "rates", "limits", "enrolments", "registrations"].map((name) => [name, h("div", {}, h("p", { class: "muted" }, "…"))]));
  const totals = h("p", { class: "totals" });
  const open = new Set();
  const shown = new Map();

  // What did not change stays as it is, with what is selected in it.
  function put(name, data, build) {
    const text = JSON.stringify(data);
    if (shown.get(name) === text) return;
    shown.set(name, text);
    boxes[name].replaceChildren(build());
  }

  async function showEnrolments() {
    try {
      const [individual, groups] = await Promise.all([hub("GET", "/provisioning/enrollments"), hub("GET", "/provisioning/enrollmentGroups")]);
      put("enrolments", [individual, groups], () => enrolments(individual, groups));
    } catch (error) {
      // While the hub is gone, what it said last stays.
      if (error.status === 0) return;
      shown.delete("enrolments");
      boxes.enrolments.replaceChildren(h("p", { class: "outcome bad" }, line(error.message)));
    }
  }

  const stop = live(
    "hub",
    {},
    {
      hub(data) {
        const { endpoints } = data;
        setText(totals, `version ${data.version} · ${counted(data.devices.registered, "device")} · ${count(data.connected)} connected`);
        const { quota: used, throttling, limits, certificates: own, uploadedAuthorities } = data;
        put("endpoints", [data.hostName, endpoints, data.idScope, data.stateDirectory, data.models], () =>
          pairs([
            ["Host name", line(data.hostName)],
            ["MQTT over TLS", endpoints.mqtt],
            ["Provisioning service", endpoints.provisioning],
            ["Id scope", line(data.idScope)],
            ["Operator, HTTPS", endpoints.operator],
            ["SNTP", endpoints.sntp ?? "not served"],
            ["This page", endpoints.page],
            ["State directory", line(data.stateDirectory)],
            ["Models", data.models ? line(data.models) : "none; `serve --models DIR`"],
          ]),
        );
        put("certificates", [own, uploadedAuthorities], () => certificates(data));
        put("quota", used, () => quota(data));
        put("rates", throttling, () => rates(data));
        put("limits", limits, () =>
          pairs([
            ["Messages that wait for a device", count(limits.c2dQueueDepth)],
            ["Deliveries of a message", count(limits.c2dMaxDeliveryCount)],
            ["Life of a message to a device", span(limits.c2dTimeToLiveSeconds * 1000)],
            ["A token counts after its end for", span(limits.sasSkewSeconds * 1000)],
            ["Telemetry that is kept", bytes(limits.eventBytes)],
          ]),
        );
      },
      registrations(data) {
        for (const element of boxes.registrations.querySelectorAll("details")) {
          if (element.open) open.add(element.dataset.id);
          else open.delete(element.dataset.id);
        }
        boxes.registrations.replaceChildren(registrations(data));
        for (const element of boxes.registrations.querySelectorAll("details")) element.open = open.has(element.dataset.id);
      },
    },
    setLive,
  );
  showEnrolments();
  const timer = setInterval(() => document.hidden || showEnrolments(), 3000);
  return {
    title: "Hub",
    element: h(
      "div",
      {},
      h("div", { class: "headline" }, h("h1", {}, "Hub"), totals),
      h("div", { class: "grid" }, card("Endpoints", boxes.endpoints), card("Throttling", boxes.rates), h("div", {}, card("Daily quota", boxes.quota), card("Limits", boxes.limits))),
      card("Certificates", boxes.certificates),
      card("Enrolments", boxes.enrolments),
      card("Registrations", boxes.registrations),
    ),
    stop() {
      clearInterval(timer);
      stop();
    },
  };
}
