// The page put together: one endpoint is selected, its widgets follow what kaa-local tells.
import {
  fetchAbout, fetchEndpoints, fetchHistory, fetchMetadata, fetchTelemetry, readEndpoint,
} from "./api.js";
import { commandKey, readCommand } from "./command.js";
import { showByHand, showFacts, showMetadata } from "./device_side.js";
import { byId, make, setText } from "./dom.js";
import { Events } from "./events.js";
import { compact, member, scalar } from "./exact_json.js";
import { Execution } from "./execution.js";
import { History } from "./history.js";
import { clockText, dateText } from "./local_time.js";
import { Telemetry } from "./telemetry.js";

const TELEMETRY_PAUSE_MS = 250; // a device may send many samples a second
const NO_ENDPOINT_PAUSE_MS = 2000;
const TRANSPORTS = { mqtt: "MQTT", http: "HTTP" };

class Page {
  constructor() {
    this.about = {};
    this.endpoints = new Map(); // by id
    this.early = []; // events that came while the lists were being fetched; null: none are
    this.loads = 0;
    this.execution = new Execution({
      endpointId: () => this.endpointId,
      known: (key) => this.history.commands.get(key),
      onTyped: () => this.showByHand(),
    });
    this.history = new History({ onRerun: (command) => this.rerun(command) });
    this.telemetry = new Telemetry();
    this.events = new Events({
      onEvent: (name, node) => (this.early ? this.early.push([name, node]) : this.take(name, node)),
      onOpen: () => this.load(),
      onLost: (pauseS, why) => this.showLost(pauseS, why),
      onRetry: () => this.reopen(),
    });
    byId("endpoint").addEventListener("change", (event) => this.select(event.target.value));
    document.addEventListener("visibilitychange", () => this.followVisibility());
  }

  get endpoint() {
    return this.endpoints.get(this.endpointId);
  }

  /** Finds out what there is, and goes on asking until there is something. */
  async start() {
    try {
      this.about = await fetchAbout();
      await this.fetchEndpoints();
    } catch (failure) {
      this.showLost(NO_ENDPOINT_PAUSE_MS / 1000, failure.message);
    }
    if (this.endpoints.size > 0) {
      this.selectFromAddress();
      return;
    }
    if (this.about.name) this.showNoEndpoint();
    setTimeout(() => this.start(), NO_ENDPOINT_PAUSE_MS);
  }

  showNoEndpoint() {
    setText(byId("alarm"), "");
    setText(byId("connection"), "No endpoint yet: the first message of a device makes one.");
    this.showLive("waiting", "Waiting for an endpoint");
  }

  async fetchEndpoints() {
    const list = await fetchEndpoints();
    this.endpoints = new Map(list.map((endpoint) => [endpoint.endpointId, endpoint]));
    this.showEndpoints();
  }

  selectFromAddress() {
    this.selectByToken(new URLSearchParams(location.search).get("endpoint"));
  }

  /** The endpoint with this token, or the first. */
  selectByToken(wanted) {
    const [first] = this.endpoints.values();
    const found = [...this.endpoints.values()].find(({ token }) => token === wanted) ?? first;
    if (found && found.endpointId !== this.endpointId) this.select(found.endpointId);
  }

  /** Shows another endpoint. The address keeps its token, so that a reload shows it again. */
  select(endpointId) {
    this.endpointId = endpointId;
    byId("endpoint").value = endpointId;
    history.replaceState(null, "", `?endpoint=${encodeURIComponent(this.endpoint.token)}`);
    this.execution.clear();
    this.history.replace([]);
    this.telemetry.clear();
    showMetadata(null);
    this.showEndpoint();
    this.showLive("waiting", "Connecting…");
    this.ignoreEvents();
    this.events.open(endpointId);
  }

  /** Listens again. A kaa-local that was started anew may know the token by another id. */
  async reopen() {
    const token = this.endpoint?.token;
    try {
      await this.fetchEndpoints();
    } catch (failure) {
      this.events.retry(failure.message);
      return;
    }
    if (this.endpoint) this.events.open(this.endpointId);
    else if (this.endpoints.size === 0) this.events.retry("It has no endpoint.");
    else this.selectByToken(token);
  }

  /** A browser has few connections for a host: a page that nobody sees holds none. */
  followVisibility() {
    if (!this.endpointId) return;
    if (document.hidden) {
      this.ignoreEvents();
      this.events.close();
    } else {
      this.reopen();
    }
  }

  /** Fetches everything anew: what happened while nobody listened is in it. */
  async load() {
    const { endpointId } = this;
    const load = ++this.loads;
    this.early = [];
    try {
      const [about, , commands, telemetry, metadata] = await Promise.all([
        fetchAbout(), this.fetchEndpoints(), fetchHistory(endpointId), fetchTelemetry(endpointId),
        fetchMetadata(endpointId),
      ]);
      if (load !== this.loads) return;
      this.about = about;
      this.history.replace(commands);
      commands.forEach((command) => this.execution.update(command));
      this.telemetry.show(telemetry);
      showMetadata(metadata);
    } catch (failure) {
      if (load === this.loads) this.events.retry(failure.message);
      return;
    }
    this.showTypes();
    this.showEndpoint();
    this.showLive("good", "Live");
    setText(byId("alarm"), "");
    const { early } = this;
    this.early = null;
    early.forEach(([name, node]) => this.take(name, node));
  }

  /** Until the next load(), which will know of them. */
  ignoreEvents() {
    this.loads++;
    this.early = [];
  }

  take(name, node) {
    if (name === "endpoint") return this.takeEndpoint(readEndpoint(node));
    if (name === "command") return this.takeCommand(readCommand(node));
    if (name === "deleted") {
      const key = commandKey(scalar(node, "commandType"), compact(member(node, "commandId")));
      this.history.remove(key);
      this.execution.remove(key);
      return this.showByHand();
    }
    if (scalar(node, "endpointId") !== this.endpointId) return undefined;
    return name === "telemetry" ? this.fetchTelemetrySoon() : this.fetchMetadata();
  }

  takeEndpoint(endpoint) {
    this.endpoints.set(endpoint.endpointId, endpoint);
    this.showEndpoints();
    this.showEndpoint();
  }

  takeCommand(command) {
    if (command.endpointId !== this.endpointId) return;
    this.history.put(command);
    this.execution.update(command);
    this.showTypes();
  }

  fetchTelemetrySoon() {
    this.telemetryTimer ??= setTimeout(async () => {
      this.telemetryTimer = undefined;
      const endpointId = this.endpointId;
      const node = await fetchTelemetry(endpointId).catch(() => null);
      if (node && endpointId === this.endpointId) this.telemetry.show(node);
    }, TELEMETRY_PAUSE_MS);
  }

  async fetchMetadata() {
    const endpointId = this.endpointId;
    const node = await fetchMetadata(endpointId).catch(() => null);
    if (node && endpointId === this.endpointId) showMetadata(node);
  }

  rerun(command) {
    this.execution.rerun(command);
    setText(byId("history-spoken"), `${command.type} is sent once more`);
  }

  showEndpoints() {
    const select = byId("endpoint");
    const endpoints = [...this.endpoints.values()];
    const ids = endpoints.map(({ endpointId }) => endpointId).join(" ");
    if (ids !== select.dataset.ids) {
      select.dataset.ids = ids;
      select.replaceChildren(
        ...endpoints.map(({ endpointId }) => make("option", { value: endpointId })));
      if (this.endpointId) select.value = this.endpointId;
    }
    endpoints.forEach(({ token, connected }, i) =>
      setText(select.options[i], connected ? `${token} (connected)` : token));
  }

  showEndpoint() {
    const { endpoint } = this;
    if (!endpoint) return;
    const via = TRANSPORTS[endpoint.transport];
    const seen = endpoint.lastSeenAt;
    const today = dateText(Date.now()) === dateText(seen);
    const when = today ? clockText(seen) : `${dateText(seen)} ${clockText(seen)}`;
    const text = endpoint.connected
      ? `Connected${via ? ` over ${via}` : ""}`
      : Number.isFinite(seen) ? `Not connected, last seen ${when}` : "Not connected, never seen";
    byId("connection").dataset.state = endpoint.connected ? "good" : "off";
    setText(byId("connection"), text);
    document.title = `${endpoint.token} – kaa-local`;
    showFacts(this.about, endpoint);
    this.showByHand();
  }

  showTypes() {
    const types = this.history.types();
    const options = types.map((type) => make("option", { value: type }));
    byId("known-types").replaceChildren(...options);
    this.showByHand();
  }

  showByHand() {
    const type = byId("type").value || "reboot";
    showByHand(this.about, this.endpoint, type, this.history?.pending(type));
  }

  showLive(state, text) {
    byId("live").dataset.state = state;
    setText(byId("live"), text);
  }

  showLost(pauseS, why) {
    this.ignoreEvents();
    this.showLive("bad", `Connection lost, next try in ${pauseS} s`);
    byId("connection").dataset.state = "off";
    setText(byId("connection"), "Not known while the connection is lost");
    setText(byId("alarm"), `Connection lost: what is shown may be out of date. ${why}`);
  }
}

new Page().start();
