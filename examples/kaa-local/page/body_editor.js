// The text area for a command's body: line numbers, and the first fault marked where it is
// while one types. Under the text lies a mirror of it, invisible but for the mark.
import { Fault, format, parse } from "./exact_json.js";
import { byId, make, setText } from "./dom.js";

const SPEAK_AFTER_MS = 1000; // a screen reader hears of a fault when typing pauses

export class BodyEditor {
  constructor() {
    this.area = byId("body");
    this.mirror = byId("body-mirror");
    this.lines = byId("body-lines");
    this.message = byId("body-fault");
    this.spoken = byId("body-spoken");
    this.area.addEventListener("input", () => this.show());
    this.area.addEventListener("scroll", () => this.follow());
    byId("format").addEventListener("click", () => this.format());
    this.show();
  }

  get text() {
    return this.area.value;
  }

  /** The first fault of the text, or null. */
  fault() {
    try {
      parse(this.text);
      return null;
    } catch (fault) {
      if (fault instanceof Fault) return fault;
      throw fault;
    }
  }

  show() {
    const fault = this.fault();
    const count = this.text.split("\n").length;
    setText(this.lines, Array.from({ length: count }, (_, i) => i + 1).join("\n"));
    this.area.setAttribute("aria-invalid", String(fault !== null));
    this.mark(fault);
    this.explain(fault);
    this.follow();
  }

  mark(fault) {
    const text = this.text;
    if (!fault) {
      this.mirror.textContent = "";
      return;
    }
    // The one character, or a blank where the text ends too early or the line does.
    const [character] = text.slice(fault.offset);
    const shown = character === undefined || character === "\n" ? " " : character;
    const rest = shown === character ? text.slice(fault.offset + character.length) : "";
    this.mirror.replaceChildren(text.slice(0, fault.offset), make("mark", {}, shown), rest, "\n");
  }

  explain(fault) {
    clearTimeout(this.timer);
    const place = fault ? `Line ${fault.line}, column ${fault.column}` : "";
    this.timer = setTimeout(
      () => setText(this.spoken, fault ? `${place}: ${fault.message}` : ""),
      SPEAK_AFTER_MS,
    );
    if (!fault) {
      this.message.replaceChildren();
      return;
    }
    const go = make(
      "button",
      { type: "button", class: "link", on: { click: () => this.goTo(this.fault()) } },
      place,
    );
    this.message.replaceChildren(go, `: ${fault.message}`);
  }

  follow() {
    this.mirror.scrollTop = this.area.scrollTop;
    this.lines.scrollTop = this.area.scrollTop;
    this.mirror.scrollLeft = this.area.scrollLeft;
  }

  goTo(fault) {
    this.area.focus();
    if (fault) this.area.setSelectionRange(fault.offset, fault.offset);
  }

  /** Indents the text, where it has no fault. */
  format() {
    const fault = this.fault();
    if (fault) {
      this.goTo(fault);
      return;
    }
    this.area.value = format(parse(this.text));
    this.show();
  }
}
