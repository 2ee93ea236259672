// Numbers over time, in a bounded number of points.

const MAX_POINTS = 3000;
// Points that are closer to each other are one, with the least and the greatest of them.
const CLOSE = 100;
const MAX_DEPTH = 4;
const MAX_ELEMENTS = 8;
const MAX_NAME = 80;

export class Series {
  #points = [];

  add(time, number) {
    const last = this.#points.at(-1);
    if (last && time - last.time < CLOSE) {
      last.min = Math.min(last.min, number);
      last.max = Math.max(last.max, number);
      last.last = number;
      return;
    }
    this.#points.push({ time, min: number, max: number, last: number });
    // In pieces: to move all points for each one would be slow.
    if (this.#points.length > MAX_POINTS * 1.1) this.#points.splice(0, this.#points.length - MAX_POINTS);
  }

  oldest() {
    return this.#points[0]?.time ?? Infinity;
  }

  newest() {
    return this.#points.at(-1)?.time ?? 0;
  }

  // The place of the first point at or after a time.
  #place(time) {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#points[middle].time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The points in a time span, with the one before and the one after it.
  between(from, to) {
    return this.#points.slice(Math.max(0, this.#place(from) - 1), this.#place(to) + 1);
  }

  // The last point up to a time.
  last(to) {
    return this.#points[this.#place(to + 1) - 1] ?? null;
  }

  // The point next to a time, within a time span.
  nearest(time, from, to) {
    const after = this.#place(time);
    const near = [this.#points[after - 1], this.#points[after]].filter((point) => point && point.time >= from && point.time <= to);
    near.sort((one, other) => Math.abs(one.time - time) - Math.abs(other.time - time));
    return near[0] ?? null;
  }

  get length() {
    return this.#points.length;
  }
}

// The numeric members of a body in JSON, with their paths.
export function numbers(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return [];
  }
  const found = [];
  walk(body, "", 0, found);
  return found;
}

function walk(value, path, depth, found) {
  if (typeof value === "number") {
    if (Number.isFinite(value) && path.length <= MAX_NAME) found.push([path || "value", value]);
  } else if (value && typeof value === "object" && depth < MAX_DEPTH) {
    const isArray = Array.isArray(value);
    for (const [name, member] of Object.entries(value).slice(0, isArray ? MAX_ELEMENTS : 64)) {
      walk(member, isArray ? `${path}[${name}]` : path ? `${path}.${name}` : name, depth + 1, found);
    }
  }
}
