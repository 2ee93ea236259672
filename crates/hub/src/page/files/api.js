// Requests to the hub. The token comes in the part of the address that a browser keeps to itself, and goes with each
// request as a header.

const KEY = "token";
const VERSION = "api-version=2021-04-12";
const RETRY = [500, 1000, 2000, 5000];
// A stream that says nothing for this long is dead: the hub says that it is there every 5 s.
const SILENCE = 15000;
const LARGEST = 16 * 1024 * 1024;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let unauthorized = () => {};

// `callback` is called when the hub does not take the token.
export function onUnauthorized(callback) {
  unauthorized = callback;
}

export function token() {
  return sessionStorage.getItem(KEY);
}

export function setToken(text) {
  sessionStorage.setItem(KEY, text);
}

function request(method, path, body, { signal, condition } = {}) {
  const headers = { Authorization: `Bearer ${token() ?? ""}` };
  if (condition) headers["If-Match"] = condition;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, { method, headers, body, signal, credentials: "omit", redirect: "error" });
}

async function explained(response) {
  let text = "";
  try {
    const body = await response.json();
    text = body.Message ?? body.message ?? "";
  } catch {
    // What is no JSON says nothing to people.
  }
  // A method that took too long is told in JSON within JSON.
  if (text.startsWith("{")) {
    try {
      text = JSON.parse(text).message;
    } catch {
      // It is text after all.
    }
  }
  const code = /^ErrorCode:[^;]*;/.exec(text);
  return new Refused(response.status, (code ? text.slice(code[0].length) : text) || `the hub answers ${response.status}`);
}

async function send(method, path, body, condition) {
  let response;
  try {
    response = await request(method, path, body, { condition });
  } catch {
    throw new Refused(0, "the hub does not answer; it may have stopped");
  }
  if (response.status === 401) unauthorized();
  if (!response.ok) throw await explained(response);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

// A request to the operator's interface, with the owner's rights. A string is sent as it is. `condition` is the etag
// that a change is for, or "*".
export function hub(method, path, body, condition) {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  return send(method, `/api/hub${path}${path.includes("?") ? "&" : "?"}${VERSION}`, text, condition);
}

// What only the page asks for.
export function page(path, parameters = {}) {
  return send("GET", `/api/page/${path}?${new URLSearchParams(parameters)}`);
}

// The path of a client: `device` or `device/module`, below `before`.
export function clientPath(before, clientId, after = "") {
  const [device, module] = clientId.split("/");
  const path = `${before}/${encodeURIComponent(device)}`;
  return module === undefined ? path + after : `${path}/modules/${encodeURIComponent(module)}${after}`;
}

// Follows live data until it is stopped: `handlers` by the names of events, `state` gets "live", "waiting" or
// "paused". `handlers.begin` is called before the first event of each connection: what was told before is old. A page
// that nobody sees holds no connection.
export function live(path, parameters, handlers, state) {
  let stopped = false;
  let failures = 0;
  let controller = null;
  let timer = 0;

  async function connect() {
    if (stopped || controller) return;
    if (document.hidden) return state("paused");
    const own = (controller = new AbortController());
    let silence = 0;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => own.abort(), SILENCE);
    };
    try {
      heard();
      const response = await request("GET", `/api/page/live/${path}?${new URLSearchParams(parameters)}`, undefined, own);
      if (response.status === 401) {
        stopped = true;
        return unauthorized();
      }
      if (!response.ok) throw await explained(response);
      failures = 0;
      handlers.begin?.();
      state("live");
      await read(response.body.getReader(), handlers, heard, () => stopped);
    } catch {
      // The hub is gone, or the page is hidden: the connection is made again in either case.
    } finally {
      clearTimeout(silence);
      if (controller === own) controller = null;
    }
    if (stopped) return;
    if (document.hidden) return state("paused");
    state("waiting");
    timer = setTimeout(connect, RETRY[Math.min(failures++, RETRY.length - 1)]);
  }

  function visibility() {
    if (document.hidden) {
      controller?.abort();
    } else {
      clearTimeout(timer);
      connect();
    }
  }

  document.addEventListener("visibilitychange", visibility);
  state("waiting");
  connect();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", visibility);
    clearTimeout(timer);
    controller?.abort();
  };
}

// Reads Server-Sent Events, as far as this hub writes them.
async function read(reader, handlers, heard, stopped) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done || stopped()) return;
    heard();
    rest += decoder.decode(value, { stream: true });
    if (rest.length > LARGEST) throw new Error("an event is too large");
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      dispatch(rest.slice(0, end), handlers);
      rest = rest.slice(end + 2);
    }
  }
}

function dispatch(text, handlers) {
  const found = /^event: (\w+)\ndata: (.*)$/su.exec(text);
  if (!found || !Object.hasOwn(handlers, found[1])) return;
  try {
    handlers[found[1]](JSON.parse(found[2]));
  } catch (error) {
    // A mistake in a view is no reason to connect again.
    console.error(error);
  }
}
