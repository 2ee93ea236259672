// Drawing of plots on canvases.

import { clock, value } from "./format.js";

// Pixels for the scale on the left, and on the right of the newest point.
const GUTTER = 64;
const EDGE = 6;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  context.font = `11px ${style.fontFamily}`;
  const color = (name) => style.getPropertyValue(name).trim();
  return { context, width, height, color };
}

// Round numbers between two values, about `wanted` of them.
function ticks(min, max, wanted) {
  const rough = (max - min) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const found = [];
  for (let tick = Math.ceil(min / step) * step; tick <= max && found.length < 10; tick += step) {
    found.push(Number(tick.toPrecision(12)));
  }
  return found;
}

// Times for a scale, in round numbers of seconds.
function times(from, to, wanted) {
  const rough = (to - from) / 1000 / wanted;
  const step = (STEPS.find((candidate) => candidate >= rough) ?? Math.ceil(rough / 86400) * 86400) * 1000;
  const offset = new Date(from).getTimezoneOffset() * 60000;
  const found = [];
  for (let time = Math.ceil((from - offset) / step) * step + offset; time <= to && found.length < 20; time += step) found.push(time);
  return found;
}

const wantedTimes = (width) => Math.max(2, Math.floor((width - GUTTER) / 110));

// Where in the time span a point of a canvas is, from 0 to 1.
export function share(canvas, x) {
  return Math.min(1, Math.max(0, (x - GUTTER) / (canvas.clientWidth - GUTTER - EDGE)));
}

// Draws a line with its scale, and a mark at a time; gives what is least and greatest.
export function drawSeries(canvas, series, from, to, mark) {
  const { context, width, height, color } = prepare(canvas);
  const points = series.between(from, to);
  const x = (time) => GUTTER + ((time - from) / (to - from)) * (width - GUTTER - EDGE);
  context.strokeStyle = color("--grid");
  context.lineWidth = 1;
  context.beginPath();
  for (const time of times(from, to, wantedTimes(width))) {
    context.moveTo(Math.round(x(time)) + 0.5, 0);
    context.lineTo(Math.round(x(time)) + 0.5, height);
  }
  context.stroke();
  const inside = points.filter((point) => point.time >= from && point.time <= to);
  if (!inside.length) return null;
  const min = Math.min(...inside.map((point) => point.min));
  const max = Math.max(...inside.map((point) => point.max));
  const spread = max - min || Math.abs(max) * 0.1 || 1;
  const [bottom, top] = [min - spread * 0.12, max + spread * 0.12];
  const y = (number) => 6 + (1 - (number - bottom) / (top - bottom)) * (height - 12);
  context.fillStyle = color("--muted");
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.beginPath();
  for (const tick of ticks(bottom, top, 4)) {
    const level = Math.round(y(tick)) + 0.5;
    context.moveTo(GUTTER, level);
    context.lineTo(width - EDGE, level);
    context.fillText(value(tick), GUTTER - 8, Math.min(height - 6, Math.max(6, level)));
  }
  context.stroke();
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, width - GUTTER, height);
  context.clip();
  context.strokeStyle = context.fillStyle = color("--series");
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  context.beginPath();
  points.forEach((point, at) => {
    const place = x(point.time);
    if (at === 0) context.moveTo(place, y(point.min));
    else context.lineTo(place, y(point.min));
    if (point.max !== point.min) context.lineTo(place, y(point.max));
    context.lineTo(place, y(point.last));
  });
  context.stroke();
  const sparse = inside.length < (width - GUTTER) / 12;
  for (const point of inside) {
    if (!sparse && point.time !== mark) continue;
    context.beginPath();
    context.arc(x(point.time), y(point.last), point.time === mark ? 4 : 2.2, 0, 7);
    context.fill();
  }
  context.restore();
  if (mark !== null) {
    context.strokeStyle = color("--muted");
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(Math.round(x(mark)) + 0.5, 0);
    context.lineTo(Math.round(x(mark)) + 0.5, height);
    context.stroke();
    context.setLineDash([]);
  }
  return { min, max };
}

// Draws the times below the plots.
export function drawAxis(canvas, from, to) {
  const { context, width, color } = prepare(canvas);
  context.fillStyle = color("--muted");
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const time of times(from, to, wantedTimes(width))) {
    const place = GUTTER + ((time - from) / (to - from)) * (width - GUTTER - EDGE);
    if (place > GUTTER + 10 && place < width - 28) context.fillText(clock(time), place, 4);
  }
}
