// One command in the table, and the line that unfolds under it with its payloads.
import { STATUS_NAMES } from "./command.js";
import { breakable, draw, make, setText } from "./dom.js";
import { format } from "./exact_json.js";
import { timeElement } from "./local_time.js";

let number = 0; // makes the ids of unfolding lines unique

const AGAIN = "M13.5 8a5.5 5.5 0 1 1-1.7-4M12 1v3.4H8.6";

const icon = (path) =>
  draw("svg", { viewBox: "0 0 16 16", "aria-hidden": "true", class: "icon" },
    draw("path", { d: path }));

export class HistoryRow {
  /** `columns` names the cells; `onRerun(command)` and `onUnfold()` are called back. */
  constructor(columns, { onRerun, onUnfold }) {
    this.onUnfold = onUnfold;
    this.isOpen = false;
    this.detailId = `payload-${++number}`;
    this.pill = make("span", { class: "pill" });
    this.name = make("span", { class: "type" });
    this.id = make("span", { class: "id" });
    this.unfold = make("button", {
      type: "button",
      class: "quiet fold",
      "aria-expanded": "false",
      "aria-controls": this.detailId,
      on: { click: () => this.toggle() },
    }, "JSON");
    this.again = make("button", {
      type: "button",
      class: "quiet round",
      on: { click: () => onRerun(this.command) },
    }, icon(AGAIN));
    this.cells = columns.map(({ title, name }) =>
      make("td", { role: "cell", "data-label": title, class: `cell-${name}` }));
    this.line = make("tr", { role: "row", class: "command" }, ...this.cells);
    this.cells[0].append(this.name, this.id);
    this.cells[1].append(this.pill);
    this.cells[4].append(this.unfold);
    this.cells[7].append(this.again);
  }

  update(command) {
    if (this.command === command) return;
    this.command = command;
    const [, , code, reason, , created, updated] = this.cells;
    const title = `${command.type} ${command.id}`;
    this.name.replaceChildren(...breakable(command.type));
    setText(this.id, command.id);
    setText(this.pill, STATUS_NAMES[command.status] ?? command.status);
    this.pill.dataset.status = command.status;
    this.line.dataset.status = command.status;
    setText(code, command.statusCode ? String(command.statusCode) : "");
    code.classList.toggle("bad", command.statusCode >= 400);
    const words = command.reason && make("span", {}, ...breakable(command.reason));
    reason.replaceChildren(...(words ? [words] : []));
    created.replaceChildren(timeElement(command.createdAt));
    updated.replaceChildren(timeElement(command.updatedAt));
    this.unfold.setAttribute("aria-label", `JSON payloads of ${title}`);
    this.again.setAttribute("aria-label", `Run ${title} again`);
    this.again.title = "Run again";
    if (this.isOpen) this.fillDetail();
  }

  toggle() {
    this.isOpen = !this.isOpen;
    this.unfold.setAttribute("aria-expanded", String(this.isOpen));
    if (this.isOpen) this.fillDetail();
    this.onUnfold();
  }

  payload(title, node, none) {
    const content = node
      ? make("pre", { tabindex: 0, "aria-label": `${title} of ${this.command.type}` }, format(node))
      : make("p", { class: "hint" }, none);
    return make("div", { class: "payload" }, make("h3", {}, title), content);
  }

  fillDetail() {
    const { status, request, response } = this.command;
    this.cell ??= make("td", { role: "cell", colspan: this.cells.length });
    this.detail ??= make("tr", { role: "row", class: "detail", id: this.detailId }, this.cell);
    this.cell.replaceChildren(make("div", { class: "payloads" },
      this.payload("Request payload", request, "none"),
      this.payload("Response payload", response,
        status === "PENDING" ? "not there yet" : status === "EXPIRED" ? "never came" : "none")));
  }

  /** The lines of the table that this command has now. */
  lines() {
    return this.isOpen ? [this.line, this.detail] : [this.line];
  }
}
