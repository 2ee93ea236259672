// Plug and Play models (DTDL, versions 2 and 3), as far as forms need them.

import { page } from "./api.js";

const UNITS = {
  degreeCelsius: "°C",
  degreeFahrenheit: "°F",
  percent: "%",
  millibar: "mbar",
  pascal: "Pa",
  kilopascal: "kPa",
  volt: "V",
  millivolt: "mV",
  ampere: "A",
  milliampere: "mA",
  watt: "W",
  lux: "lx",
  metrePerSecond: "m/s",
  metrePerSecondSquared: "m/s²",
  gForce: "g",
  second: "s",
  millisecond: "ms",
  decibel: "dB",
};

const list = (value) => (Array.isArray(value) ? value : value ? [value] : []);
const words = (value) => (typeof value === "string" ? value : value?.en ?? "");
const is = (element, type) => list(element["@type"]).includes(type);

// The model with this id and its components; null if the hub knows none.
export async function modelOf(id) {
  let all;
  try {
    all = await page("models");
  } catch {
    return null;
  }
  const interfaces = new Map(all.map((one) => [one["@id"], one]));
  const root = interfaces.get(id);
  if (!root) return null;
  const model = { name: words(root.displayName) || id, commands: [], units: new Map() };
  read(root, "", interfaces, model, 0);
  return model;
}

function read(one, component, interfaces, model, depth) {
  const schemas = new Map(list(one.schemas).map((schema) => [schema["@id"], schema]));
  for (const parent of list(one.extends)) {
    const found = typeof parent === "string" ? interfaces.get(parent) : parent;
    if (found && depth < 8) read(found, component, interfaces, model, depth + 1);
  }
  for (const content of list(one.contents)) {
    const path = component ? `${component}.${content.name}` : content.name;
    if (is(content, "Telemetry") && typeof content.unit === "string") model.units.set(path, UNITS[content.unit] ?? content.unit);
    if (is(content, "Command")) {
      model.commands.push({
        name: component ? `${component}*${content.name}` : content.name,
        title: words(content.displayName) || content.name,
        description: words(content.description),
        request: content.request ? resolve(content.request.schema, schemas, 0) : null,
      });
    }
    if (is(content, "Component")) {
      const found = typeof content.schema === "string" ? interfaces.get(content.schema) : content.schema;
      if (found && !component && depth < 8) read(found, content.name, interfaces, model, depth + 1);
    }
  }
}

const NUMBERS = ["integer", "long", "float", "double", "byte", "short", "unsignedInteger", "unsignedLong", "unsignedByte", "unsignedShort"];

// A schema as a form needs it.
function resolve(schema, schemas, depth) {
  const found = typeof schema === "string" ? schemas.get(schema) ?? schema : schema;
  if (found === "boolean") return { kind: "boolean" };
  if (NUMBERS.includes(found)) return { kind: "number", whole: !["float", "double"].includes(found) };
  if (typeof found === "string") return { kind: "text", schema: found };
  if (is(found, "Enum")) return { kind: "enum", values: list(found.enumValues).map((one) => [one.enumValue, words(one.displayName) || one.name]) };
  if (is(found, "Object") && depth < 5) {
    return { kind: "object", fields: list(found.fields).map((one) => ({ name: one.name, description: words(one.description), schema: resolve(one.schema, schemas, depth + 1) })) };
  }
  return { kind: "json" };
}
