// Inputs that are made from a schema of a model.

import { field, h, select } from "./dom.js";
import { line } from "./format.js";
import { check } from "./json.js";

// An input for a schema: its element, and `read`, which gives the value or throws a sentence.
export function input(name, schema, hint, isWhole = false) {
  const label = line(name);
  const wrong = (why) => new Error(`${label}: ${why}`);
  if (schema.kind === "object") {
    const parts = schema.fields.map((one) => [one.name, input(one.name, one.schema, one.description)]);
    const elements = parts.map(([, part]) => part.element);
    return {
      // The fields of a request stand for themselves.
      element: isWhole ? h("div", { class: "inline" }, elements) : h("fieldset", {}, h("legend", {}, label), elements),
      read: () => Object.fromEntries(parts.map(([part, inside]) => [part, inside.read()]).filter(([, value]) => value !== undefined)),
    };
  }
  if (schema.kind === "boolean" || schema.kind === "enum") {
    const values = schema.kind === "boolean" ? [[true, "true"], [false, "false"]] : schema.values;
    const element = select(values.map(([, text], at) => [at, line(text)]), "0");
    return { element: field(label, element, hint), read: () => values[Number(element.value)]?.[0] };
  }
  if (schema.kind === "number") {
    const element = h("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
    return {
      element: field(label, element, hint),
      read() {
        const text = element.value.trim();
        if (!text) return undefined;
        const number = Number(text);
        if (!Number.isFinite(number)) throw wrong("write a number, such as 5");
        if (schema.whole && !Number.isInteger(number)) throw wrong("write a whole number, such as 5");
        return number;
      },
    };
  }
  if (schema.kind === "text") {
    const element = h("input", { type: "text", autocomplete: "off" });
    return { element: field(label, element, hint ?? `a ${line(schema.schema)}`), read: () => element.value || undefined };
  }
  const element = h("textarea", { rows: "4", class: "code", spellcheck: "false" });
  return {
    element: field(label, element, hint ?? "JSON"),
    read() {
      if (!element.value.trim()) return undefined;
      const { value, error } = check(element.value);
      if (error) throw wrong(error);
      return value;
    },
  };
}
