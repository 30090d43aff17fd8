// JSON that loses nothing: numbers and strings are kept as they were written, so
// 9223372036854775807, 3.0 and "\u00e9" are shown as they came and sent as they were
// typed. JSON.parse would round the first, and says only roughly where a fault is.
//
// A node is { kind: "object", members: [{ name, raw, value }] }, { kind: "array", items },
// { kind: "string", raw, value }, { kind: "number", raw } or { kind: "word", raw }.

const DEPTH_MAX = 256;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\r\n]*/y;
const BARE = /[A-Za-z0-9_+.-]+/y;

/** Where and why a text is not JSON: `offset` in UTF-16 units, `line` and `column` from 1. */
export class Fault extends Error {
  constructor(message, text, offset) {
    super(message);
    const lines = text.slice(0, offset).split("\n");
    this.offset = offset;
    this.line = lines.length;
    this.column = [...lines.at(-1)].length + 1;
  }
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  fail(message, offset = this.at) {
    throw new Fault(message, this.text, offset);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return null;
    this.at = pattern.lastIndex;
    return found[0];
  }

  /** Skips white space and tells the next character, "" at the end. */
  next() {
    this.match(SPACE);
    return this.text.charAt(this.at);
  }

  value(depth) {
    const first = this.next();
    if (depth > DEPTH_MAX) this.fail(`Nested more than ${DEPTH_MAX} deep`);
    if (first === "{") return this.object(depth);
    if (first === "[") return this.array(depth);
    if (first === '"') return this.string();
    if (first === "") this.fail("A value is missing at the end");
    if (first === "'") this.fail("Texts stand in double quotes");
    if (/[A-Za-z0-9_+.-]/.test(first)) return this.bare();
    return this.fail(`A value is expected before ${first}`);
  }

  /** A number, or true, false, null. */
  bare() {
    const start = this.at;
    const raw = this.match(BARE);
    if (raw === "true" || raw === "false" || raw === "null") return { kind: "word", raw };
    this.at = start;
    const number = this.match(NUMBER);
    if (number === raw) return { kind: "number", raw };
    if (/^-?0[0-9]/.test(raw)) this.fail("A number does not begin with an extra 0", start);
    if (/^[0-9+.-]/.test(raw)) this.fail(`${raw} is not a number in JSON`, start);
    return this.fail(`${raw} is not a value; texts stand in double quotes`, start);
  }

  string() {
    const start = this.at;
    const raw = this.match(STRING);
    if (raw !== null) return { kind: "string", raw, value: JSON.parse(raw) };
    return this.explainString(start);
  }

  explainString(start) {
    for (let i = start + 1; i < this.text.length; i++) {
      const character = this.text[i];
      if (character === "\n") this.fail("The text that begins here is not closed", start);
      if (character < " ") this.fail("A control character inside a text: write it as \\u00xx", i);
      if (character !== "\\") continue;
      if (!/^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(this.text.slice(i, i + 6))) {
        this.fail("No such escape; a backslash itself is written \\\\", i);
      }
      i++;
    }
    return this.fail("The text that begins here is not closed", start);
  }

  /** Reads `one` after `one` up to the closing bracket, with commas between. */
  list(open, close, one) {
    const start = this.at++;
    if (this.next() === close) {
      this.at++;
      return;
    }
    for (;;) {
      one();
      const after = this.next();
      if (after === "") this.fail(`The ${open} that opens here is not closed`, start);
      if (after !== "," && after !== close) this.fail(`A comma or ${close} is expected here`);
      const comma = this.at++;
      if (after === close) return;
      if (this.next() === close) this.fail("Nothing follows this comma", comma);
    }
  }

  array(depth) {
    const items = [];
    this.list("[", "]", () => items.push(this.value(depth + 1)));
    return { kind: "array", items };
  }

  object(depth) {
    const members = [];
    const names = new Set();
    this.list("{", "}", () => {
      const quote = this.next();
      if (quote !== "" && quote !== '"') this.fail("A key in double quotes is expected here");
      if (quote === "") this.fail("A key is missing at the end");
      const start = this.at;
      const { raw, value: name } = this.string();
      if (names.has(name)) this.fail(`The key ${raw} stands here twice`, start);
      names.add(name);
      if (this.next() !== ":") this.fail("A colon is expected after a key");
      this.at++;
      members.push({ name, raw, value: this.value(depth + 1) });
    });
    return { kind: "object", members };
  }
}

/** The text's value as a node; throws a Fault. */
export function parse(text) {
  const reader = new Reader(text);
  if (reader.next() === "") reader.fail("A body is needed; {} where there is nothing to say", 0);
  const node = reader.value(0);
  if (reader.next() !== "") reader.fail("The value has ended before this");
  return node;
}

/** The node as text, indented, digits and escapes as they were. */
export function format(node, indent = "") {
  const inner = indent + "  ";
  const wrap = (open, parts, close) =>
    parts.length === 0
      ? open + close
      : `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
  if (node.kind === "array") {
    return wrap("[", node.items.map((item) => format(item, inner)), "]");
  }
  if (node.kind === "object") {
    const member = ({ raw, value }) => `${raw}: ${format(value, inner)}`;
    return wrap("{", node.members.map(member), "}");
  }
  return node.raw;
}

/** The node as text on one line. */
export function compact(node) {
  if (node.kind === "array") return `[${node.items.map(compact).join(",")}]`;
  if (node.kind === "object") {
    return `{${node.members.map(({ raw, value }) => `${raw}:${compact(value)}`).join(",")}}`;
  }
  return node.raw;
}

/** The value of an object's member, or undefined. */
export function member(node, name) {
  return node.members?.find((each) => each.name === name)?.value;
}

/** A member that is a text, a number (as a number), true or false; else undefined. */
export function scalar(node, name) {
  const value = member(node, name);
  if (value?.kind === "string") return value.value;
  if (value?.kind === "number") return Number(value.raw);
  if (value?.raw === "true" || value?.raw === "false") return value.raw === "true";
  return undefined;
}
