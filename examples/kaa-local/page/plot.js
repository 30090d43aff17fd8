// A small plot of one value over time.
import { draw, make } from "./dom.js";
import { clockText } from "./local_time.js";

const WIDTH = 240;
const HEIGHT = 56;
const MARGIN = 4; // keeps the line's own width inside

/** Four significant digits are enough for the ends of an axis. */
export const shortNumber = (value) => String(Number(value.toPrecision(4)));

/** A figure of `points`, [[ms, number], …] with the oldest first. */
export function plot(name, points) {
  const values = points.map(([, value]) => value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const [start] = points[0];
  const [end] = points.at(-1);
  const across = (ms) => MARGIN + ((ms - start) / (end - start || 1)) * (WIDTH - 2 * MARGIN);
  const up = (value) =>
    high === low
      ? HEIGHT / 2
      : HEIGHT - MARGIN - ((value - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const places = points.map(([ms, value]) => `${across(ms).toFixed(1)},${up(value).toFixed(1)}`);
  const last = points.length > 1 ? places.at(-1).split(",") : [WIDTH / 2, HEIGHT / 2];
  const described =
    `${name}: ${points.length} values from ${clockText(start)} to ${clockText(end)}, ` +
    `lowest ${shortNumber(low)}, highest ${shortNumber(high)}`;
  const image = draw("svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": described, class: "plot" },
    draw("polyline", { points: places.join(" ") }),
    draw("circle", { cx: last[0], cy: last[1], r: 3 }));
  const ends = high === low ? [shortNumber(high)] : [shortNumber(high), shortNumber(low)];
  return make("figure", {},
    image,
    make("div", { class: "scale", "aria-hidden": "true" },
      ...ends.map((text) => make("span", {}, text))),
    make("div", { class: "range", "aria-hidden": "true" },
      make("span", {}, clockText(start)), make("span", {}, end > start ? clockText(end) : "")));
}
