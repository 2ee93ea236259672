// Text that a person types as JSON.

// Reads JSON: its value, or a sentence that says where it is wrong.
export function check(text) {
  if (!text.trim()) return { value: undefined, error: "This is empty; write JSON, such as {}." };
  try {
    return { value: JSON.parse(text), error: "" };
  } catch {
    return { value: undefined, error: `This is no JSON at ${place(text, mistake(text))}` };
  }
}

function place(text, { at, why }) {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}, column ${before.at(-1).length + 1}: ${why}.`;
}

const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w)/uy;

// The first place where a text is no JSON. Browsers tell it in words of their own, or not at all.
function mistake(text) {
  // What is open: "{" or "[", and what may come next in it.
  const open = [];
  let state = "value";
  let at = 0;
  const wrong = (why) => ({ at, why });
  for (;;) {
    while (" \t\r\n".includes(text[at] ?? "-")) at += 1;
    const character = text[at];
    if (state === "end" && open.length === 0) return wrong(character === undefined ? "it is JSON" : "something follows the value");
    if (character === undefined) return wrong(open.length ? `a ${open.at(-1) === "{" ? "}" : "]"} is missing` : "a value is missing");
    if (state === "end") {
      const close = open.at(-1) === "{" ? "}" : "]";
      if (character === ",") state = open.at(-1) === "{" ? "name" : "value";
      else if (character === close) open.pop();
      else return wrong(`a comma or ${close} is missing`);
      at += 1;
      continue;
    }
    if (state === "first" && character === (open.at(-1) === "{" ? "}" : "]")) {
      open.pop();
      state = "end";
      at += 1;
      continue;
    }
    const isName = open.at(-1) === "{" && state !== "value";
    if (!isName && (character === "{" || character === "[")) {
      open.push(character);
      state = "first";
      at += 1;
      continue;
    }
    SCALAR.lastIndex = at;
    const scalar = SCALAR.exec(text)?.[0];
    if (scalar === undefined || (isName && character !== '"')) return wrong(isName ? "a name in double quotes is missing" : "this is no value");
    at += scalar.length;
    if (!isName) {
      state = "end";
      continue;
    }
    while (" \t\r\n".includes(text[at] ?? "-")) at += 1;
    if (text[at] !== ":") return wrong("a colon is missing");
    at += 1;
    state = "value";
  }
}
