// The widget Command execution: the form, and below it what became of the command.
import { commandPath, fetchCommand, invoke } from "./api.js";
import { BodyEditor } from "./body_editor.js";
import { verdict } from "./command.js";
import { byId, make, setText } from "./dom.js";
import { compact, format, parse } from "./exact_json.js";
import { clockText } from "./local_time.js";

const ASYNCHRONOUS_AWAIT_S = 0;
const MAX_AWAIT_S = 60; // what kaa-local takes

function typeFault(type) {
  if (type === "") return "A command type is needed";
  if (!/^[A-Za-z0-9_-]+$/.test(type)) return "Letters, digits, _ and - only";
  if (/^[0-9]+$/.test(type)) return "Digits alone would be read as a request id";
  if (type === "status" || type === "error") return `${type} has a meaning of its own on the wire`;
  return "";
}

const amountFault = (input) =>
  /^[0-9]+$/.test(input.value) ? "" : "A whole number, 0 or more";

/** "1 hour", "90 seconds" */
function duration(seconds) {
  const [size, unit] =
    seconds > 0 && seconds % 3600 === 0
      ? [3600, "hour"]
      : seconds > 0 && seconds % 60 === 0
        ? [60, "minute"]
        : [1, "second"];
  const amount = seconds / size;
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}

export class Execution {
  /** `endpointId()` tells the selected endpoint; `known(key)` what the history has of a command;
   * `onTyped(type)` is called as one types. */
  constructor({ endpointId, known, onTyped }) {
    this.endpointId = endpointId;
    this.known = known;
    this.type = byId("type");
    this.editor = new BodyEditor();
    this.outcome = byId("outcome");
    this.watched = null; // the key of the command that the outcome tells about
    this.running = new Set(); // numbers of runs of this endpoint that have not come back
    this.runs = 0;
    const form = byId("execution");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.submit();
      }
    });
    form.addEventListener("change", () => this.showMode());
    this.type.addEventListener("input", () => {
      this.showFault("type", this.type.value === "" ? "" : typeFault(this.type.value));
      onTyped(this.type.value);
    });
    for (const name of ["timeout", "retention"]) {
      byId(name).addEventListener("input", () => this.checkAmount(name));
    }
    this.showMode();
  }

  get isSynchronous() {
    return byId("synchronous").checked;
  }

  get retentionMs() {
    return Number(byId("retention").value) * Number(byId("retention-unit").value) * 1000;
  }

  get awaitS() {
    if (!this.isSynchronous) return ASYNCHRONOUS_AWAIT_S;
    return Number(byId("timeout").value) * Number(byId("timeout-unit").value);
  }

  showMode() {
    byId("timeout").disabled = byId("timeout-unit").disabled = !this.isSynchronous;
    this.checkAmount("timeout");
  }

  showFault(name, fault) {
    setText(byId(`${name}-fault`), fault);
    byId(name).setAttribute("aria-invalid", String(fault !== ""));
    return fault !== "";
  }

  /** Shows the fault of an amount; tells its field where there is one. */
  checkAmount(name) {
    const input = byId(name);
    const isTooLong = name === "timeout" && this.isSynchronous && this.awaitS > MAX_AWAIT_S;
    const fault = amountFault(input) || (isTooLong ? `${MAX_AWAIT_S} seconds at most` : "");
    return this.showFault(name, fault) && input;
  }

  /** Shows the faults of the form; focuses the first; tells whether there is one. */
  hasFault() {
    const faulty = [
      this.showFault("type", typeFault(this.type.value)) && this.type,
      this.editor.fault() && this.editor.area,
      this.isSynchronous && this.checkAmount("timeout"),
      this.checkAmount("retention"),
    ].find(Boolean);
    if (faulty === this.editor.area) this.editor.goTo(this.editor.fault());
    else faulty?.focus();
    return faulty !== undefined;
  }

  submit() {
    if (this.running.size > 0 || this.hasFault()) return;
    this.run({ type: this.type.value, body: this.editor.text });
  }

  /** Sends a command of the history once more, with the retention that is set. */
  rerun(command) {
    const faulty = this.checkAmount("retention");
    if (faulty) {
      faulty.focus();
      return;
    }
    const body = command.request ? compact(command.request) : "";
    this.run({ type: command.type, body }, true);
  }

  async run({ type, body }, always = false) {
    const awaitS = always ? ASYNCHRONOUS_AWAIT_S : this.awaitS;
    const order = { type, body, awaitS, retentionMs: this.retentionMs };
    const endpointId = this.endpointId();
    if (!endpointId) {
      this.show("bad", type, "Not run: there is no endpoint yet.");
      return;
    }
    const run = ++this.runs;
    this.running.add(run);
    this.showRunning();
    this.watched = null;
    this.show(
      "waiting",
      type,
      awaitS > 0 ? `Sent. Waiting up to ${duration(awaitS)} for the device.` : "Sending…",
    );
    try {
      const answer = await invoke(endpointId, order);
      if (run === this.runs) await this.follow(endpointId, order, answer);
    } catch (failure) {
      if (run === this.runs) this.showFailure(type, failure);
    } finally {
      this.running.delete(run);
      this.showRunning();
    }
  }

  showRunning() {
    byId("run").setAttribute("aria-disabled", String(this.running.size > 0));
  }

  /** Shows what came back, and keeps showing what becomes of it. */
  async follow(endpointId, order, { executed, location, text }) {
    const path = location ?? `${commandPath(endpointId, order.type)}/last`;
    const run = this.runs;
    this.retained = { ms: order.retentionMs, waitedS: order.awaitS };
    try {
      const command = await fetchCommand(path);
      if (run !== this.runs) return;
      this.watched = command.key;
      const known = this.known(command.key); // an event may have overtaken the answer
      this.update(known && known.status !== "PENDING" ? known : command);
    } catch (failure) {
      // Deleted meanwhile, perhaps: what is known is still shown.
      if (!executed) throw failure;
      const payload = text ? parse(text) : undefined;
      if (run === this.runs) this.show("good", order.type, "The device answered.", payload);
    }
  }

  /** A command has changed: shows it where it is the one that was run last. */
  update(command) {
    if (command.key !== this.watched) return;
    const name = `${command.type} ${command.id}`;
    if (command.status === "EXECUTED") {
      const bad = command.statusCode >= 400;
      this.show(bad ? "bad" : "good", name, `Executed: ${verdict(command)}`, command.response);
    } else if (command.status === "EXPIRED") {
      this.show("warn", name, "Expired: the device reported no result in time.");
    } else {
      const { ms, waitedS } = this.retained;
      const waited = waitedS > 0 ? `No answer within ${duration(waitedS)}. ` : "";
      const held = ms > 0
        ? `held for the device until ${clockText(command.createdAt + ms)}.`
        : "sent to the device once and not held for it.";
      this.show("waiting", name, `${waited}Pending: ${held}`);
    }
  }

  /** A command is no more. */
  remove(key) {
    if (key === this.watched) this.show("warn", key.replace("/", " "), "Deleted.");
  }

  showFailure(type, { status, message }) {
    this.watched = null;
    this.show("bad", type, status ? `Not run: ${status} ${message}` : `Not run. ${message}`);
  }

  /** `payload` is a node, or undefined for none. */
  show(tone, name, text, payload) {
    this.outcome.dataset.tone = tone;
    this.outcome.replaceChildren(
      make("p", {}, make("strong", {}, name), make("span", { class: "verdict" }, text)),
      ...(payload
        ? [make("pre", { tabindex: 0, "aria-label": "Response payload" }, format(payload))]
        : []),
    );
  }

  /** Another endpoint is selected: what was run before goes on, but is not shown here. */
  clear() {
    this.runs++;
    this.running.clear();
    this.showRunning();
    this.watched = null;
    delete this.outcome.dataset.tone;
    this.outcome.replaceChildren();
  }
}
