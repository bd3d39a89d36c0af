// The counters, the list of orders and the panels below the diagram.

import { ago, count, element, keyed, say, span } from "./dom.js";

const COUNTERS = [
  ["created", "created"],
  ["confirmed", "confirmed"],
  ["rejected", "rejected"],
  ["cancelled", "cancelled"],
  ["half_messages", "half messages"],
  ["waiting", "of them open", "wait"],
  ["commits", "commits"],
  ["rollbacks", "rollbacks"],
  ["check_backs", "check-backs", "wait"],
  ["fences", "fences"],
  ["claims", "sweep claims"],
  ["deliveries", "deliveries"],
  ["acknowledged", "acknowledged"],
  ["throttled", "throttled", "wait"],
  ["given_up", "given up", "bad"],
  ["killed", "killed", "bad"],
];

const STATES = {
  CREATED: ["◐ created", "wait"],
  CONFIRMED: ["● confirmed", "good"],
  REJECTED: ["✕ rejected", "bad"],
  CANCELLED: ["⊘ cancelled", "quiet"],
};

const HALVES = {
  none: ["– none", "quiet"],
  waiting: ["◔ waits", "wait"],
  committed: ["✓ committed", "good"],
  "rolled-back": ["↩ rolled back", "bad"],
};

const PROCESSES = {
  starting: ["◌ cold start", "wait"],
  busy: ["▶ busy", "good"],
  frozen: ["❄ frozen", "quiet"],
  idle: ["‖ idle", "quiet"],
  stopped: ["■ stopped by you", "bad"],
  killed: ["✕ killed", "bad"],
  ended: ["✕ gone", "bad"],
};

export function stateOf(order) {
  return STATES[order.status] ?? ["○ no order", "quiet"];
}

export function counters(target, counts) {
  keyed(
    target,
    COUNTERS,
    ([key]) => key,
    ([, name]) => element("div", {}, element("dt", {}, name), element("dd")),
    (box, [key, , tone]) => {
      say(box.children[1], count(counts[key]));
      box.dataset.tone = counts[key] > 0 ? (tone ?? "plain") : "plain";
    },
  );
}

function tag(target, [text, tone]) {
  say(target, text);
  target.className = "tag";
  target.dataset.tone = tone;
}

/** The columns of the list of orders. */
const ORDER_COLUMNS = ["order", "state", "half message", "pending", "steps", "time"];

/** A cell of a row that is a button, in which a screen reader has no columns: it says its name. */
function cell(name) {
  return element("span", {}, element("span", { className: "visually-hidden" }, `${name}: `), element("span"));
}

/** The list of orders; `choose` is called with the id of the one that is pressed. */
export function orders(target, list, shown, choose) {
  keyed(
    target,
    list,
    (order) => order.order_id,
    (order) => {
      const cells = ORDER_COLUMNS.map(cell);
      cells[0].className = "mono";
      cells[4].className = cells[5].className = "number";
      const button = element("button", { type: "button", className: "order" }, ...cells);
      button.addEventListener("click", () => choose(order.order_id));
      return element("li", {}, button);
    },
    (row, order) => {
      const button = row.firstElementChild;
      const [id, state, half, pending, steps, took] = [...button.children].map((one) => one.lastElementChild);
      say(id, `…${order.order_id.slice(-8)}`);
      const [words, tone] = stateOf(order);
      tag(state, order.killed ? [`${words} ✕ killed`, tone] : [words, tone]);
      tag(half, HALVES[order.half]);
      const events = order.pending === 1 ? "1 event" : `${order.pending} events`;
      tag(pending, order.pending ? [events, "wait"] : ["none", "quiet"]);
      say(steps, count(order.steps));
      say(took, span(order.took_ms));
      if (order.order_id === shown) {
        button.setAttribute("aria-current", "true");
      } else {
        button.removeAttribute("aria-current");
      }
    },
  );
}

/** What an order's story comes to, in a sentence. */
export function verdict(order) {
  const of = { "create-order": createKilled, "cancel-order": cancelKilled, "event-consumer": consumerKilled };
  const killed = of[order.killed]?.(order);
  if (killed) return killed;
  if (order.status && order.half === "none") {
    return order.pending
      ? "◔ Created without the broker: its event waits in the table for the sweep."
      : "✓ Created without the broker; the sweep has published its event.";
  }
  if (order.status && !order.pending) {
    return "✓ Done: every event is handled.";
  }
  return "";
}

function createKilled(order) {
  const asked = order.check_backs > 0;
  if (order.half === "waiting") {
    return "◔ The process is dead and its half message open. The broker asks 6 to 11 seconds after it stored it: watch.";
  }
  if (asked && order.half === "committed") {
    return "✓ Repaired: the order was in the table, so the check-back committed its event.";
  }
  if (asked && order.half === "rolled-back") {
    return "✓ Repaired: there was no order, so the check-back fenced the attempt and dropped its event.";
  }
  return order.half === "none" ? "✓ Nothing to repair: there is neither an order nor an event." : "";
}

function cancelKilled(order) {
  if (order.status === "CANCELLED") return "";
  return "✓ Nothing to repair: cancel-order was killed before its write, so the order is as it was.";
}

function consumerKilled(order) {
  return order.pending
    ? "◔ event-consumer is dead and the event still pending. The broker delivers it again to the next window, within about a minute: watch."
    : "✓ Repaired: the event was pending in the order, and was handled when the broker delivered it again.";
}

/** The functions that can be chosen; what is chosen stays. */
export function choices(target, names) {
  const isFirst = target.options.length === 0;
  keyed(
    target,
    names,
    (name) => name,
    (name) => element("option", { value: name }, name),
    () => {},
  );
  if (isFirst) target.value = "event-consumer";
}

export function functions(target, all, now) {
  keyed(
    target,
    Object.entries(all),
    ([name]) => name,
    ([name]) => element("li", {}, element("span", { className: "mono" }, name), element("ul", { className: "processes" })),
    (row, [, processes]) => {
      const shown = processes.length ? processes : [null];
      keyed(
        row.children[1],
        shown,
        (one) => (one ? `${one.pid}-${one.activity === "ended"}` : "nothing"),
        () => element("li", { className: "process" }),
        (chip, one) => describe(chip, one, now),
      );
    },
  );
}

function describe(chip, process, now) {
  if (!process) {
    say(chip, "no process yet");
    return;
  }
  const [state, tone] = PROCESSES[process.is_killed && process.activity === "ended" ? "killed" : process.activity];
  const isBusy = process.activity === "busy";
  const what = isBusy ? `: ${process.what}` : "";
  const since = isBusy ? span(now - process.since_ms) : ago(now - process.since_ms);
  const requests = process.requests === 1 ? "1 request" : `${count(process.requests)} requests`;
  const parts = [`${state}${what}`, process.pid, since, requests];
  if (process.cold_start_ms !== null) parts.push(`cold start ${span(process.cold_start_ms)}`);
  if (process.reason !== null) parts.push(process.reason);
  say(chip, parts.join(" · "));
  chip.dataset.tone = tone;
}

const TOPIC_COLUMNS = [
  ["half_messages", "half"],
  ["commits", "committed"],
  ["rollbacks", "rolled back"],
  ["deliveries", "delivered"],
  ["acknowledged", "acked"],
];

const TABLE_COLUMNS = [
  ["reads", "reads"],
  ["writes", "writes"],
  ["refused", "refused"],
  ["throttled", "throttled"],
];

export function topics(target, rows) {
  grid(target, "topic", TOPIC_COLUMNS, rows, "No message has passed yet.");
}

export function tables(target, rows) {
  grid(target, "table", TABLE_COLUMNS, rows, "No call has passed yet.");
}

function grid(target, name, columns, rows, nothing) {
  const entries = Object.entries(rows);
  if (!entries.length) {
    target.replaceChildren(element("p", { className: "empty" }, nothing));
    return;
  }
  if (!target.querySelector("table")) {
    const heads = [name, ...columns.map(([, title]) => title)];
    const cells = heads.map((title) => element("th", { scope: "col" }, title));
    const head = element("thead", {}, element("tr", {}, ...cells));
    target.replaceChildren(element("table", {}, head, element("tbody")));
  }
  keyed(
    target.querySelector("tbody"),
    entries,
    ([key]) => key,
    ([key]) => element("tr", {}, element("td", { className: "mono" }, key.replace(/^orders-local-/, "")), ...columns.map(() => element("td"))),
    (row, [, counts]) => columns.forEach(([key], index) => say(row.children[index + 1], count(counts[key]))),
  );
}

export function letters(target, list) {
  if (!list.length) {
    target.replaceChildren(element("li", { className: "muted" }, "None: no event was given up."));
    return;
  }
  keyed(
    target,
    list,
    (letter) => letter.id,
    () => element("li"),
    (row, letter) => {
      const by = letter.handler ? ` by ${letter.handler}` : "";
      say(row, `${letter.event_type}: given up${by} after ${letter.attempts} attempts. ${letter.reason}`);
    },
  );
}

export function activity(target, lines, now) {
  keyed(
    target,
    lines,
    (line) => line.number,
    () => element("li", {}, element("time"), element("span")),
    (row, line) => {
      say(row.children[0], ago(now - line.at_ms));
      say(row.children[1], line.text);
    },
  );
}
