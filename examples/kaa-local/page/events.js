// What kaa-local pushes to the page. A lost connection is opened again by itself.
import { parse } from "./exact_json.js";

const NAMES = ["command", "deleted", "telemetry", "metadata", "endpoint"];
const PAUSES_S = [1, 2, 4, 8];

export class Events {
  /** `onEvent(name, node)`; `onOpen()` each time the connection stands; `onLost(pauseS, why)`
   * each time it could not be had; `pauseS` later `onRetry()` is to call open() again. */
  constructor({ onEvent, onOpen, onLost, onRetry }) {
    Object.assign(this, { onEvent, onOpen, onLost, onRetry });
    this.source = null;
    this.failures = 0;
  }

  /** Listens to this endpoint from now on, to no other. */
  open(endpointId) {
    this.close();
    const source = new EventSource(`/api/events?endpointId=${encodeURIComponent(endpointId)}`);
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.onOpen();
    };
    source.onerror = () => this.retry();
    for (const name of NAMES) {
      source.addEventListener(name, (event) => this.onEvent(name, parse(event.data)));
    }
  }

  // Not left to EventSource, which gives up for good on an HTTP error.
  retry(why = "kaa-local cannot be reached. Is it still running?") {
    this.close();
    const pauseS = PAUSES_S[Math.min(this.failures++, PAUSES_S.length - 1)];
    this.timer = setTimeout(() => this.onRetry(), pauseS * 1000);
    this.onLost(pauseS, why);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
