// The widget Commands history.
import { STATUS_NAMES, arrangeCommands, groupOf } from "./command.js";
import { HistoryRow } from "./history_row.js";
import { arrange, byId, draw, make, oncePerFrame, setText } from "./dom.js";

const COLUMNS = [
  { name: "type", title: "Command type" },
  { name: "status", title: "Status" },
  { name: "statusCode", title: "Status code" },
  { name: "reason", title: "Reason phrase" },
  { name: "payload", title: "Request & response payload", isFixed: true },
  { name: "createdAt", title: "Created" },
  { name: "updatedAt", title: "Updated" },
  { name: "action", title: "Action", isFixed: true },
];
const isTime = (column) => column.endsWith("At");
const NARROW = matchMedia("(max-width: 600px)");

export class History {
  /** `onRerun(command)` is called for the action of a row. */
  constructor({ onRerun }) {
    this.onRerun = onRerun;
    this.commands = new Map(); // by key
    this.rows = new Map(); // by key: those that were shown once
    this.view = { search: "", groupBy: "", sortBy: "createdAt", descending: true };
    this.page = 0;
    this.refresh = oncePerFrame(() => this.show());
    if (NARROW.matches) byId("pager-size").value = "5";
    this.makeHead();
    this.makeSortChoice();
    this.listen();
  }

  listen() {
    const view = (change) => (event) => {
      change(event.target.value);
      this.page = 0;
      this.refresh();
    };
    byId("search").addEventListener("input", view((text) => (this.view.search = text)));
    byId("group").addEventListener("change", view((name) => (this.view.groupBy = name)));
    byId("sort").addEventListener("change", view((text) => {
      const [sortBy, order] = text.split(" ");
      Object.assign(this.view, { sortBy, descending: order === "down" });
    }));
    byId("pager-size").addEventListener("change", view(() => {}));
    byId("pager-back").addEventListener("click", () => this.turn(-1));
    byId("pager-on").addEventListener("click", () => this.turn(1));
  }

  makeHead() {
    this.heads = COLUMNS.map(({ name, title, isFixed }) => {
      const arrow = draw("svg", { viewBox: "0 0 10 12", "aria-hidden": "true", class: "arrow" },
        draw("path", { class: "up", d: "M5 0l4 5H1z" }),
        draw("path", { class: "down", d: "M5 12l4-5H1z" }));
      const content = isFixed
        ? title
        : make("button", { type: "button", on: { click: () => this.sort(name) } }, title, arrow);
      return make("th", { role: "columnheader", scope: "col" }, content);
    });
    byId("history-head").append(...this.heads);
  }

  makeSortChoice() {
    for (const { name, title } of COLUMNS.filter(({ isFixed }) => !isFixed)) {
      const orders = isTime(name)
        ? [["down", "newest first"], ["up", "oldest first"]]
        : [["up", "ascending"], ["down", "descending"]];
      for (const [order, words] of orders) {
        byId("sort").append(make("option", { value: `${name} ${order}` }, `${title}, ${words}`));
      }
    }
  }

  sort(sortBy) {
    const { view } = this;
    view.descending = view.sortBy === sortBy ? !view.descending : isTime(sortBy);
    view.sortBy = sortBy;
    this.page = 0;
    this.refresh();
  }

  turn(step) {
    this.page += step;
    this.refresh();
  }

  /** Forgets what was there and takes these commands. */
  replace(commands) {
    this.commands = new Map(commands.map((command) => [command.key, command]));
    for (const key of this.rows.keys()) {
      if (!this.commands.has(key)) this.rows.delete(key);
    }
    this.refresh();
  }

  put(command) {
    this.commands.set(command.key, command);
    this.refresh();
  }

  remove(key) {
    this.commands.delete(key);
    this.rows.delete(key);
    this.refresh();
  }

  /** The types that were sent so far, and the newest pending command of a type. */
  types() {
    return [...new Set([...this.commands.values()].map((command) => command.type))].sort();
  }

  pending(type) {
    return [...this.commands.values()]
      .filter((command) => command.type === type && command.status === "PENDING")
      .sort((a, b) => b.createdAt - a.createdAt)[0];
  }

  row(command) {
    let row = this.rows.get(command.key);
    if (!row) {
      row = new HistoryRow(COLUMNS, {
        onRerun: (which) => this.onRerun(which),
        onUnfold: () => this.refresh(),
      });
      this.rows.set(command.key, row);
    }
    row.update(command);
    return row;
  }

  groupLine(name, count) {
    const cell = make("th", { role: "rowheader", scope: "rowgroup", colspan: COLUMNS.length },
      name, make("span", { class: "count" }, String(count)));
    return make("tr", { role: "row", class: "group" }, cell);
  }

  /** The lines of the table: rows, unfolded payloads, group headings. */
  lines(found, shown) {
    const lines = [];
    let heading = "";
    for (const command of shown) {
      const group = groupOf(command, this.view.groupBy);
      if (group !== heading) {
        const count = found.filter((each) => groupOf(each, this.view.groupBy) === group).length;
        lines.push(this.groupLine(group, count));
        heading = group;
      }
      lines.push(...this.row(command).lines());
    }
    return lines;
  }

  show() {
    const found = arrangeCommands([...this.commands.values()], this.view);
    const size = Number(byId("pager-size").value);
    this.page = Math.max(0, Math.min(this.page, Math.ceil(found.length / size) - 1));
    const start = this.page * size;
    const shown = found.slice(start, start + size);
    arrange(byId("history"), this.lines(found, shown));
    this.showHead();
    this.showCount(found.length);
    this.showPager(found.length, start, shown.length, size);
  }

  showHead() {
    const { sortBy, descending } = this.view;
    COLUMNS.forEach(({ name, isFixed }, i) => {
      if (isFixed) return;
      const order = name !== sortBy ? "none" : descending ? "descending" : "ascending";
      this.heads[i].setAttribute("aria-sort", order);
    });
    byId("sort").value = `${sortBy} ${descending ? "down" : "up"}`;
  }

  showCount(found) {
    const all = this.commands.size;
    const pending = [...this.commands.values()].filter(({ status }) => status === "PENDING").length;
    const count = this.view.search.trim() ? `${found} of ${all} found` : `${all} in all`;
    const name = STATUS_NAMES.PENDING.toLowerCase();
    setText(byId("history-count"), all ? `${count}, ${pending} ${name}` : "");
    byId("history-empty").hidden = found > 0;
    byId("history-head").closest("table").hidden = found === 0;
    setText(byId("history-empty"),
      all ? "No command matches the search." : "No command yet. Run one and it appears here.");
  }

  showPager(found, start, count, size) {
    byId("pager").hidden = found <= 5;
    setText(byId("pager-range"), `${start + 1}–${start + count} of ${found}`);
    this.enable(byId("pager-back"), start > 0);
    this.enable(byId("pager-on"), start + size < found);
  }

  // A button that is disabled while it has the focus loses the focus with it.
  enable(button, enabled) {
    if (!enabled && document.activeElement === button) byId("pager-size").focus();
    button.disabled = !enabled;
  }
}
