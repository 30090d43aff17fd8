// What kaa-local serves: the platform's command REST API under /cex/api/v1, and what
// only this page uses under /api. Payloads are never parsed with JSON.parse, see
// exact_json.js.
import { member, parse, scalar } from "./exact_json.js";
import { readCommand } from "./command.js";

const PATIENCE_MS = 15000;

/** Why a request came to nothing: `status` is the HTTP status, 0 where nothing answered. */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function messageOf(text, response) {
  try {
    const message = scalar(parse(text), "message");
    if (message) return message;
  } catch {
    // Not JSON: the text itself may say it.
  }
  return text.trim().slice(0, 300) || response.statusText || "no reason given";
}

async function request(path, options = {}, patienceMs = PATIENCE_MS) {
  let response, text;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(patienceMs) });
    text = await response.text();
  } catch (error) {
    throw new Failure(
      0,
      error.name === "TimeoutError"
        ? `kaa-local has not answered within ${patienceMs / 1000} s.`
        : "kaa-local cannot be reached. Is it still running?",
    );
  }
  if (!response.ok) throw new Failure(response.status, messageOf(text, response));
  return { response, text };
}

async function get(path) {
  return parse((await request(path)).text);
}

const segment = encodeURIComponent;

export const commandPath = (endpointId, type) =>
  `/cex/api/v1/endpoints/${segment(endpointId)}/commands/${segment(type)}`;

/** Every endpoint: [{ endpointId, token, appVersion, connected, transport, lastSeenAt }]. */
export async function fetchEndpoints() {
  return (await get("/api/endpoints")).items.map(readEndpoint);
}

export function readEndpoint(node) {
  return {
    endpointId: scalar(node, "endpointId"),
    token: scalar(node, "token"),
    appVersion: scalar(node, "appVersion"),
    connected: scalar(node, "connected") === true,
    transport: scalar(node, "transport"),
    lastSeenAt: Date.parse(scalar(node, "lastSeenAt")),
  };
}

export async function fetchAbout() {
  const node = await get("/api/about");
  return Object.fromEntries(node.members.map(({ name }) => [name, scalar(node, name)]));
}

/** The endpoint's commands, as command.js reads them. */
export async function fetchHistory(endpointId) {
  const list = await get(`/cex/api/v1/endpoints/commands?endpointId=${segment(endpointId)}`);
  return list.items.flatMap((each) => member(each, "commands").items.map(readCommand));
}

const endpointPath = (endpointId) => `/api/endpoints/${segment(endpointId)}`;

export const fetchTelemetry = (endpointId) => get(`${endpointPath(endpointId)}/telemetry`);

export const fetchMetadata = (endpointId) => get(`${endpointPath(endpointId)}/metadata`);

/** One command by the address of its resource, or the last of its type. */
export async function fetchCommand(path) {
  return readCommand(await get(path));
}

/** Invokes a command. Tells { executed, location, text }: `text` is the device's payload
 * where it answered in time. */
export async function invoke(endpointId, { type, body, awaitS, retentionMs }) {
  const { response, text } = await request(
    `${commandPath(endpointId, type)}?awaitTimeout=${awaitS}&commandTtl=${retentionMs}`,
    { method: "POST", headers: { "Content-Type": "application/json" }, body },
    awaitS * 1000 + PATIENCE_MS,
  );
  return {
    executed: response.status === 200,
    location: response.headers.get("Location"),
    text,
  };
}
