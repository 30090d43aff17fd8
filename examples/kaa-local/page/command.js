// A command as the history shows it, and what search, sorting and grouping mean.
import { compact, member, scalar } from "./exact_json.js";

const STATUSES = ["PENDING", "EXECUTED", "EXPIRED"];
export const STATUS_NAMES = { PENDING: "Pending", EXECUTED: "Executed", EXPIRED: "Expired" };

/** What tells one command of an endpoint from all others. */
export const commandKey = (type, id) => `${type}/${id}`;

/** Reads the platform's descriptor. `id` stays text: it may have more digits than a
 * number holds. `request` and `response` are nodes, undefined where there is none. */
export function readCommand(node) {
  const type = scalar(node, "commandType");
  const id = compact(member(node, "commandId"));
  const status = scalar(node, "status");
  const response = member(node, "responsePayload");
  return {
    key: commandKey(type, id),
    type,
    id,
    endpointId: scalar(node, "endpointId"),
    status,
    statusCode: scalar(node, "statusCode"),
    reason: scalar(node, "reasonPhrase") ?? "",
    request: member(node, "requestPayload"),
    response: status === "EXECUTED" ? response : undefined,
    createdAt: Date.parse(scalar(node, "createdAt")),
    updatedAt: Date.parse(scalar(node, "updatedAt")),
  };
}

/** "200 OK", "409", or "" where nothing is known yet. */
export const verdict = (command) => [command.statusCode, command.reason].filter(Boolean).join(" ");

function searchable(command) {
  command.searchable ??= [
    command.type,
    command.id,
    STATUS_NAMES[command.status] ?? command.status,
    command.statusCode ?? "",
    command.reason,
    command.request ? compact(command.request) : "",
    command.response ? compact(command.response) : "",
  ]
    .join("\n")
    .toLowerCase();
  return command.searchable;
}

const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function byId(a, b) {
  try {
    return Number(BigInt(a.id) - BigInt(b.id));
  } catch {
    return byText(a.id, b.id);
  }
}

const COMPARISONS = {
  type: (a, b) => byText(a.type, b.type),
  status: (a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status),
  statusCode: (a, b) => (a.statusCode ?? 0) - (b.statusCode ?? 0),
  reason: (a, b) => byText(a.reason, b.reason),
  createdAt: (a, b) => a.createdAt - b.createdAt,
  updatedAt: (a, b) => a.updatedAt - b.updatedAt,
};

/** The group of a command: its heading, or "" where there are no groups. */
export function groupOf(command, groupBy) {
  if (groupBy === "type") return command.type;
  if (groupBy === "status") return STATUS_NAMES[command.status] ?? command.status;
  return "";
}

/** Those commands that hold every word of `search`, group by group, each group sorted.
 * Among equals the newest comes first. */
export function arrangeCommands(commands, { search, groupBy, sortBy, descending }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const group = COMPARISONS[groupBy] ?? (() => 0);
  const sign = descending ? -1 : 1;
  return commands
    .filter((command) => words.every((word) => searchable(command).includes(word)))
    .sort(
      (a, b) =>
        group(a, b) ||
        sign * COMPARISONS[sortBy](a, b) ||
        b.createdAt - a.createdAt ||
        byId(b, a) ||
        byText(a.type, b.type),
    );
}
