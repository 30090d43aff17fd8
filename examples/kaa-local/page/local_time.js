// Times as the page shows them: in the local time zone.
import { make } from "./dom.js";

const two = (number) => String(number).padStart(2, "0");

/** "2026-02-03" */
export function dateText(ms) {
  const time = new Date(ms);
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
}

/** "04:05:06" */
export function clockText(ms) {
  const time = new Date(ms);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** A <time> that shows "2026-02-03 04:05:06" and may break between the two. */
export function timeElement(ms) {
  if (!Number.isFinite(ms)) return make("span", {}, "");
  const attributes = { datetime: new Date(ms).toISOString() };
  return make(
    "time",
    attributes,
    make("span", {}, dateText(ms)),
    " ",
    make("span", {}, clockText(ms)),
  );
}
