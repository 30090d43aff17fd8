// What a device of this endpoint has to know, its metadata, and the lines that play it by hand.
import { breakable, byId, make, setText } from "./dom.js";
import { compact } from "./exact_json.js";

/** `node` is what /api/endpoints/…/metadata answers; null for none. */
export function showMetadata(node) {
  const rows = (node?.members ?? []).map(({ name, value }) =>
    make("tr", {},
      make("th", { scope: "row" }, ...breakable(name)),
      make("td", {}, value.kind === "string" ? value.value : compact(value))));
  byId("metadata").replaceChildren(...rows);
  byId("metadata").closest("table").hidden = rows.length === 0;
  byId("metadata-empty").hidden = rows.length > 0;
}

export function showFacts(about, endpoint) {
  const facts = [
    ["Application version", endpoint?.appVersion ?? about.appVersion],
    ["Endpoint token", endpoint?.token],
    ["Endpoint id", endpoint?.endpointId],
    ["MQTT", about.mqtt],
    ["HTTP", about.http],
  ].filter(([, value]) => value);
  byId("device").replaceChildren(
    ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

// Inside single quotes of a shell.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The tutorial's two curl lines; `command` is a pending one, if there is any. */
export function showByHand(about, endpoint, type, command) {
  if (!about.http || !endpoint) return;
  const base = `${about.http}/kp1/${endpoint.appVersion ?? about.appVersion}/cex/${endpoint.token}`;
  const post = (path, body) =>
    `curl --location --request POST \\\n  ${quoted(base + path)} \\\n  --data-raw ${quoted(body)}`;
  const result = [
    "[{",
    `    "id": ${command?.id ?? "<command-ID>"},`,
    '    "statusCode": 200,',
    '    "reasonPhrase": "OK",',
    '    "payload": "Success"',
    "}]",
  ].join("\n");
  setText(byId("curl-poll"), post(`/command/${type}`, "{}"));
  setText(byId("curl-result"), post(`/result/${type}`, result));
}
