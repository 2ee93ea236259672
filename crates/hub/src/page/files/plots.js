// Telemetry as plots: each numeric member of the bodies is a line over time.

import { h, select, setText } from "./dom.js";
import { clock, line, value } from "./format.js";
import { Series, numbers } from "./series.js";
import { drawAxis, drawSeries, share } from "./draw.js";

const SPANS = [
  ["60000", "1 minute"],
  ["300000", "5 minutes"],
  ["900000", "15 minutes"],
  ["3600000", "1 hour"],
  ["21600000", "6 hours"],
  ["0", "Everything"],
];
// The least that is shown, in milliseconds.
const SHORTEST = 30000;
// Lines that a page holds; a device that names its members anew each time gets no more.
const MAX_SERIES = 24;

export function plotsPanel() {
  const all = new Map();
  const box = h("div", { class: "plots" });
  const axis = h("canvas", { class: "axis", "aria-hidden": "true", hidden: true });
  const empty = h("p", { class: "empty" }, "No message with numbers in JSON has come yet.");
  const span = select(SPANS, "300000", { "aria-label": "Time span of the plots" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const note = h("p", { class: "muted", hidden: true });
  let pausedAt = 0;
  let isVisible = false;
  let cursor = null;
  let dropped = new Set();
  let units = new Map();
  let pending = false;

  function range() {
    const width = Number(span.value);
    const times = [...all.values()].map((plot) => plot.series);
    const newest = Math.max(0, ...times.map((series) => series.newest()));
    const oldest = Math.min(...times.map((series) => series.oldest()));
    const end = pausedAt || Math.max(Date.now(), newest);
    // No empty time before the first point.
    return [Math.max(width ? end - width : 0, Math.min(oldest, end - SHORTEST)), end];
  }

  function draw() {
    pending = false;
    if (!isVisible || document.hidden) return;
    const [from, to] = range();
    for (const plot of all.values()) {
      const at = cursor === null ? null : from + cursor * (to - from);
      const point = at === null ? plot.series.last(to) : plot.series.nearest(at, from, to);
      const shown = drawSeries(plot.canvas, plot.series, from, to, point && at !== null ? point.time : null, plot.color);
      const unit = units.get(plot.name) ?? "";
      setText(plot.now, point ? value(point.last) : "–");
      setText(plot.unit, unit);
      setText(plot.time, point && at !== null ? clock(point.time) : "");
      const label = shown ? `${plot.name} from ${value(shown.min)} to ${value(shown.max)} ${unit}` : `${plot.name}: nothing in this time`;
      if (plot.canvas.getAttribute("aria-label") !== label) plot.canvas.setAttribute("aria-label", label);
    }
    axis.hidden = all.size === 0;
    drawAxis(axis, from, to);
  }

  function later() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(draw);
  }

  function point(event) {
    cursor = share(event.currentTarget, event.offsetX);
    later();
  }

  function key(event) {
    const step = { ArrowLeft: -0.01, ArrowRight: 0.01 }[event.key];
    if (step) cursor = Math.min(1, Math.max(0, (cursor ?? 1) + step));
    else if (event.key === "Escape") cursor = null;
    else return;
    event.preventDefault();
    later();
  }

  function leave() {
    cursor = null;
    later();
  }

  function make(name) {
    const shown = line(name);
    const now = h("span", { class: "now" });
    const unit = h("span", { class: "unit" });
    const time = h("span", { class: "at" });
    const canvas = h("canvas", {
      role: "img",
      tabindex: "0",
      "aria-label": shown,
      onpointermove: point,
      onpointerleave: leave,
      onkeydown: key,
      onblur: leave,
    });
    const color = all.size % 6;
    const element = h(
      "figure",
      { class: `plot series-${color}` },
      h("figcaption", {}, h("span", { class: "name" }, shown), h("span", { class: "value" }, time, now, unit)),
      canvas,
    );
    box.append(element);
    return { name, series: new Series(), element, canvas, now, unit, time, color };
  }

  pause.addEventListener("click", () => {
    pausedAt = pausedAt ? 0 : range()[1];
    pause.setAttribute("aria-pressed", String(Boolean(pausedAt)));
    setText(pause, pausedAt ? "Continue" : "Pause");
    later();
  });
  span.addEventListener("change", later);
  const timer = setInterval(later, 500);
  const resized = new ResizeObserver(later);
  resized.observe(box);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", later);

  return {
    element: h(
      "section",
      { class: "card", "aria-label": "Telemetry" },
      h("div", { class: "cardhead" }, h("h2", {}, "Telemetry"), span, pause),
      empty,
      box,
      axis,
      note,
    ),
    add(messages) {
      for (const message of messages) {
        if (message.text === undefined || message.cut) continue;
        for (const [name, number] of numbers(message.text)) {
          let plot = all.get(name);
          if (!plot) {
            if (all.size >= MAX_SERIES) {
              if (dropped.size < 1000) dropped.add(name);
              continue;
            }
            plot = make(name);
            all.set(name, plot);
          }
          plot.series.add(message.time, number);
        }
      }
      empty.hidden = all.size > 0;
      note.hidden = dropped.size === 0;
      setText(note, `${dropped.size} more members have numbers; ${MAX_SERIES} are shown.`);
      later();
    },
    clear() {
      all.clear();
      dropped = new Set();
      box.replaceChildren();
      empty.hidden = false;
      axis.hidden = true;
      note.hidden = true;
    },
    setModel(model) {
      units = model?.units ?? new Map();
      later();
    },
    visible(yes) {
      isVisible = yes;
      later();
    },
    stop() {
      clearInterval(timer);
      resized.disconnect();
      scheme.removeEventListener("change", later);
    },
  };
}
