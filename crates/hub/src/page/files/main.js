// The shell: which view is shown, and whether its data are live.

import { announce, h } from "./dom.js";
import { onUnauthorized, setToken, token } from "./api.js";
import { deviceView } from "./device.js";
import { devicesView } from "./devices.js";
import { faultsView } from "./faults.js";
import { hubView } from "./hub.js";
import { logView } from "./log.js";
import { servicesView } from "./services.js";

const content = document.getElementById("content");
const pill = document.getElementById("live");
const STATES = { live: "Live", waiting: "Reconnecting…", paused: "Paused", none: "" };

const VIEWS = {
  devices: devicesView,
  device: deviceView,
  module: deviceView,
  faults: faultsView,
  hub: hubView,
  updates: servicesView,
  log: logView,
};

let current = null;

function setLive(state) {
  pill.dataset.state = state;
  if (pill.textContent !== STATES[state]) pill.textContent = STATES[state];
}

// `#/device/ID/TAB` in its parts.
function parts() {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [];
  }
}

// Takes the token out of the address, so that it is in no history and in no screenshot.
function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (!found) return;
  setToken(found[1]);
  history.replaceState(null, "", "#/devices");
}

function show(view) {
  current?.stop?.();
  current = view;
  content.replaceChildren(view.element);
  content.scrollTop = 0;
  window.scrollTo(0, 0);
}

function route() {
  takeToken();
  if (!token()) {
    tabs.postMessage("who has the token?");
    return signIn();
  }
  const [name, ...parameters] = parts();
  const make = VIEWS[name] ?? devicesView;
  const section = make === deviceView ? "devices" : name || "devices";
  for (const link of document.querySelectorAll("#views a")) {
    const here = link.getAttribute("href") === `#/${section}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const module = name === "module";
  if (current?.update?.(name, parameters)) return;
  setLive("waiting");
  const view = make(parameters, setLive, module);
  show(view);
  document.title = `${view.title} – local-hub`;
  announce(view.title);
}

function signIn(text = "Open the address that the hub printed when it started, or enter the token that is at its end.") {
  setLive("none");
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const enter = h(
    "form",
    {
      class: "card narrow",
      onsubmit(event) {
        event.preventDefault();
        const entered = input.value.trim().replace(/^.*#token=/, "");
        if (!entered) return;
        setToken(entered);
        current = null;
        route();
      },
    },
    h("h1", {}, "This hub is locked"),
    h("p", {}, text),
    h("div", { class: "field" }, h("label", { for: "token" }, "Token"), input),
    h("button", { class: "primary" }, "Open"),
    h("p", { class: "muted" }, "`local-hub page` prints the address again."),
  );
  show({ element: enter, title: "Locked" });
  document.title = "Locked – local-hub";
}

// Tabs of the same hub give each other the token: the browser keeps it for one tab only.
const tabs = new BroadcastChannel("local-hub");
tabs.addEventListener("message", ({ data }) => {
  if (data === "who has the token?") {
    if (token()) tabs.postMessage({ token: token() });
  } else if (!token() && typeof data?.token === "string") {
    setToken(data.token);
    current = null;
    route();
  }
});

onUnauthorized(() => signIn("The hub does not take this token. Open the address that it printed when it started, or enter the token that is at its end."));
document.getElementById("skip").addEventListener("click", () => content.focus());
window.addEventListener("hashchange", route);
route();
