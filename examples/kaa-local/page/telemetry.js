// The widget Device telemetry: the latest values, and a plot of each over time.
import { arrange, byId, make, setText } from "./dom.js";
import { compact, member } from "./exact_json.js";
import { timeElement } from "./local_time.js";
import { plot } from "./plot.js";

const number = (node) => (node?.kind === "number" ? Number(node.raw) : NaN);

/** [[ms, number], …] of a series, those that have a number. */
const readPoints = (node) =>
  (node?.items ?? [])
    .map((point) => point.items.map(number))
    .filter(([ms, value]) => Number.isFinite(ms) && Number.isFinite(value));

class Gauge {
  constructor(name) {
    this.name = name;
    this.value = make("p", { class: "value" });
    this.time = make("p", { class: "hint" });
    this.figure = make("div");
    this.node = make("article", { class: "gauge", "data-name": name },
      make("h3", {}, name), this.value, this.time, this.figure);
  }

  show(latest, points) {
    const value = member(latest, "value");
    setText(this.value, value.kind === "string" ? value.value : compact(value));
    this.value.classList.toggle("text", value.kind !== "number");
    this.time.replaceChildren(timeElement(number(member(latest, "at"))));
    this.figure.replaceChildren(...(points.length > 0 ? [plot(this.name, points)] : []));
  }
}

export class Telemetry {
  constructor() {
    this.gauges = new Map(); // by name
  }

  clear() {
    this.gauges.clear();
    this.show(null);
  }

  /** `node` is what /api/endpoints/…/telemetry answers. */
  show(node) {
    const latest = node ? member(node, "latest").members : [];
    for (const { name, value } of latest) {
      if (!this.gauges.has(name)) this.gauges.set(name, new Gauge(name));
      this.gauges.get(name).show(value, readPoints(member(member(node, "series"), name)));
    }
    arrange(byId("telemetry"), latest.map(({ name }) => this.gauges.get(name).node));
    byId("telemetry-empty").hidden = latest.length > 0;
  }
}
