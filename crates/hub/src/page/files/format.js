// Times, sizes and texts for people.

const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escape(character) {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");
}

// Text in one line, in which characters that cannot be seen, or that turn the direction of others, are written as in
// a JSON string.
export function line(text) {
  return String(text).replace(HARMFUL, escape);
}

// The same with line feeds and tabs as they are.
export function lines(text) {
  return String(text).replace(HARMFUL, (character) =>
    character === "\n" || character === "\t" ? character : escape(character),
  );
}

const two = (number) => String(number).padStart(2, "0");

// The time of day, with seconds.
export function clock(millis) {
  const date = new Date(millis);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// The time of day, with the date if it is not today's.
export function when(millis) {
  if (!millis) return "never";
  const date = new Date(millis);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock(millis) : `${day(millis)} ${clock(millis)}`;
}

export function day(millis) {
  const date = new Date(millis);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

// A time span in its largest unit.
export function span(millis) {
  const seconds = Math.max(0, Math.round(millis / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  const days = Math.floor(seconds / 86400);
  return days < 730 ? `${days} days` : `${Math.floor(days / 365.25)} years`;
}

export function ago(millis) {
  if (!millis) return "never";
  const age = Date.now() - millis;
  return age < 1500 ? "now" : `${span(age)} ago`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
}

const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(number) {
  return integers.format(number);
}

// "1 device", "2 devices".
export function counted(number, one, several = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : several}`;
}

// A measured value, as short as it can be read.
export function value(number) {
  if (Number.isInteger(number) && Math.abs(number) < 1e15) return integers.format(number);
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return number.toExponential(3);
  return String(Number(number.toPrecision(6)));
}
