// Text that a person types as JSON.

// Reads JSON: its value, or a sentence that says where it is wrong.
export function check(text) {
  try {
    return { value: JSON.parse(text), error: "" };
  } catch (error) {
    return { value: undefined, error: explained(String(error.message), text) };
  }
}

function explained(message, text) {
  if (!text.trim()) return "This is empty; write JSON, such as {}.";
  const position = /at position (\d+)/u.exec(message);
  if (!position) return "This is no JSON: it ends too early, or a character is wrong.";
  const before = text.slice(0, Number(position[1])).split("\n");
  const what = message.replace(/ in JSON at position.*$/su, "").replace(/\s*\(line.*$/su, "");
  return `This is no JSON at line ${before.length}, column ${before.at(-1).length + 1}: ${what}`;
}
