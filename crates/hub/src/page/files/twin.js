// The twin: desired beside reported, and an editor.

import { clientPath, hub } from "./api.js";
import { field, form, h, outcome, select, setText } from "./dom.js";
import { line, lines } from "./format.js";
import { check } from "./json.js";

const MAX_ROWS = 500;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const text = (value) => (value === undefined ? "" : JSON.stringify(value));

// An acknowledgement of Plug and Play: the value, with a code and the version that it is for.
const isAcknowledgement = (value) => isObject(value) && "value" in value && typeof value.ac === "number" && typeof value.av === "number";

// The leaves of a section with their paths.
function leaves(section, metadata, path, found) {
  for (const [name, value] of Object.entries(section)) {
    if (path.length === 0 && name.startsWith("$")) continue;
    const here = [...path, name];
    const about = isObject(metadata) ? metadata[name] : undefined;
    if (isObject(value) && !isAcknowledgement(value) && Object.keys(value).length) leaves(value, about, here, found);
    else found.set(JSON.stringify(here), { path: here, value, updated: isObject(about) ? about.$lastUpdated : undefined });
  }
  return found;
}

// What stands beside each other, and how it differs.
export function compare(desired, reported) {
  const wanted = leaves(desired, desired.$metadata, [], new Map());
  const told = leaves(reported, reported.$metadata, [], new Map());
  const rows = [];
  for (const key of new Set([...wanted.keys(), ...told.keys()])) {
    const [one, other] = [wanted.get(key), told.get(key)];
    const acknowledgement = other && isAcknowledgement(other.value) ? other.value : null;
    const value = acknowledgement ? acknowledgement.value : other?.value;
    let difference = "same";
    if (!one) difference = "reported only";
    else if (!other) difference = "not reported";
    else if (text(one.value) !== text(value)) difference = "differs";
    rows.push({ path: (one ?? other).path, desired: one, reported: other, value, acknowledgement, difference });
  }
  return rows.sort((one, other) => (one.path.join("\n") < other.path.join("\n") ? -1 : 1));
}

function acknowledged(acknowledgement, version) {
  if (!acknowledgement) return null;
  const { ac, av, ad } = acknowledgement;
  const old = av !== 0 && version !== undefined && av < version ? ", older" : "";
  const kind = ac >= 200 && ac < 300 ? "good" : "bad";
  const words = `${ac} for version ${av}${old}${typeof ad === "string" && ad ? `: ${line(ad)}` : ""}`;
  return h("span", { class: `tag ${kind}` }, words);
}

function makeRow(row, desiredVersion) {
  const cell = (label, content, title) => h("td", { "data-label": label, title }, content);
  const kind = { same: "good", differs: "warn", "not reported": "warn", "reported only": "" }[row.difference];
  return h(
    "tr",
    { class: row.difference === "differs" || row.difference === "not reported" ? "different" : null },
    h("th", { scope: "row" }, row.path.map((part, at) => (at ? [".", h("wbr"), line(part)] : line(part)))),
    cell("Desired", row.desired ? h("code", {}, line(text(row.desired.value))) : "–", row.desired?.updated),
    cell("Reported", row.reported ? h("code", {}, line(text(row.value))) : "–", row.reported?.updated),
    cell("Difference", [h("span", { class: `tag ${kind}` }, row.difference), acknowledged(row.acknowledgement, desiredVersion)]),
  );
}

// What an operator may change of a twin.
function editable(twin) {
  const { $metadata, $version, ...desired } = twin.properties.desired;
  return lines(JSON.stringify({ tags: twin.tags, properties: { desired } }, null, 2));
}

function problem(textarea) {
  const checked = check(textarea.value);
  if (checked.error) return checked.error;
  if (!isObject(checked.value)) return "The twin is an object: {\"properties\": {\"desired\": {…}}}.";
  const unknown = Object.keys(checked.value).find((name) => name !== "tags" && name !== "properties");
  if (unknown !== undefined) return `"${line(unknown)}" cannot be changed; use "tags" and "properties".`;
  const { properties } = checked.value;
  if (properties !== undefined && !isObject(properties)) return "\"properties\" is an object with \"desired\".";
  const other = Object.keys(properties ?? {}).find((name) => name !== "desired");
  if (other !== undefined) return `"properties.${line(other)}" cannot be changed; use "properties.desired".`;
  return "";
}

export function twinPanel(clientId) {
  const columns = ["Property", "Desired", "Reported", "Difference"];
  const body = h("tbody", {});
  const empty = h("p", { class: "empty" }, "The twin has no properties yet.");
  const versions = h("p", { class: "muted" });
  const tags = h("pre", { tabindex: "0", "aria-label": "Tags" });
  const tagsBox = h("div", { hidden: true }, h("h3", {}, "Tags"), tags);
  const onlyDifferent = h("input", { type: "checkbox", id: "different" });
  const editor = h("textarea", { rows: "16", spellcheck: "false", autocomplete: "off", class: "code" });
  const way = select([["PATCH", "Merge: null deletes a property"], ["PUT", "Replace: what is absent is deleted"]], "PATCH");
  const told = outcome();
  const load = h("button", { type: "button" }, "Load the current twin");
  const save = h("button", { class: "primary" }, "Save");
  let twin = null;
  let began = null;

  function fill() {
    editor.value = editable(twin);
    began = twin.properties.desired.$version;
    validate();
  }

  function validate() {
    const wrong = problem(editor);
    editor.setAttribute("aria-invalid", String(Boolean(wrong)));
    save.disabled = Boolean(wrong);
    if (wrong) told.bad(wrong);
    else if (twin && began !== null && twin.properties.desired.$version !== began) {
      told.busy(`Desired properties have version ${twin.properties.desired.$version} now; this text began at ${began}.`);
    } else told.clear();
  }

  function show() {
    const { desired, reported } = twin.properties;
    const all = compare(desired, reported);
    const rows = onlyDifferent.checked ? all.filter((row) => row.difference === "differs" || row.difference === "not reported") : all;
    body.replaceChildren(...rows.slice(0, MAX_ROWS).map((row) => makeRow(row, desired.$version)));
    empty.hidden = rows.length > 0;
    setText(empty, all.length ? "Nothing differs." : "The twin has no properties yet.");
    const more = rows.length > MAX_ROWS ? ` · the first ${MAX_ROWS} of ${rows.length} properties are shown` : "";
    setText(versions, `Desired: version ${desired.$version} · Reported: version ${reported.$version} · Twin: version ${twin.version}${more}`);
    tagsBox.hidden = Object.keys(twin.tags).length === 0;
    setText(tags, lines(JSON.stringify(twin.tags, null, 2)));
  }

  editor.addEventListener("input", validate);
  onlyDifferent.addEventListener("change", () => twin && show());
  load.addEventListener("click", () => twin && fill());
  const edit = form(
    { class: "stack" },
    async () => {
      const wrong = problem(editor);
      if (wrong) return told.bad(wrong);
      told.busy("Saving…");
      try {
        const after = await hub(way.value, clientPath("/twins", clientId), editor.value);
        began = after.properties.desired.$version;
        if (after.version > twin.version) twin = after;
        show();
        told.good(`Saved: desired properties have version ${began}.`);
      } catch (error) {
        told.bad(line(error.message));
      }
    },
    field("Tags and desired properties", editor),
    field("How", way),
    h("div", { class: "buttons" }, save, load),
    told.element,
  );
  return {
    element: h(
      "div",
      { class: "split even" },
      h(
        "section",
        { class: "card", "aria-label": "Twin" },
        h("div", { class: "cardhead" }, h("h2", {}, "Twin"), h("label", { class: "check", for: "different" }, onlyDifferent, "Only what differs")),
        versions,
        h("div", { class: "tablebox" }, h("table", { class: "twin" }, h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))), body), empty),
        tagsBox,
      ),
      h("section", { class: "card", "aria-label": "Change the twin" }, h("h2", {}, "Change the twin"), edit),
    ),
    set(next) {
      const first = twin === null;
      twin = next;
      show();
      if (first) fill();
      else if (!told.element.classList.contains("good") || twin.properties.desired.$version !== began) validate();
    },
    setModel() {},
  };
}
