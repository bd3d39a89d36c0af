// The console: shows each snapshot of the stream, and presses the buttons.

import { show } from "./diagram.js";
import { say, span } from "./dom.js";
import * as panels from "./panels.js";

const at = (id) => document.getElementById(id);
const diagram = { lanes: at("lanes"), steps: at("steps"), empty: at("no-steps") };

/** The order that the reader has chosen; `null` follows the newest. */
let chosen = new URLSearchParams(location.hash.slice(1)).get("order");
let shown = null;
let listed = [];
let stream = null;
let token = null;
let stopped = {};

at("follow").checked = chosen === null;

function choose(orderId) {
  chosen = orderId;
  at("follow").checked = orderId === null;
  history.replaceState(null, "", orderId ? `#order=${orderId}` : location.pathname);
  connect();
}

function connect() {
  stream?.close();
  const query = chosen ? `?order=${encodeURIComponent(chosen)}` : "";
  stream = new EventSource(`/console/events${query}`);
  stream.addEventListener("snapshot", (event) => render(JSON.parse(event.data)));
  stream.addEventListener("open", () => live("live", "● live"));
  stream.addEventListener("error", () => live("away", "○ not connected, trying again"));
}

function live(state, words) {
  at("live").dataset.is = state;
  say(at("live"), words);
}

function render(view) {
  const { story, faults } = view;
  shown = story?.order_id ?? null;
  listed = view.orders.map((order) => order.order_id);
  panels.counters(at("counters"), view.counts);
  panels.orders(at("orders"), view.orders, shown, choose);
  at("no-orders").hidden = view.orders.length > 0;
  say(at("story-id"), shown ?? "");
  const [state] = story ? panels.stateOf(story) : [""];
  say(at("story-state"), story ? `${state} · ${span(story.took_ms)}` : "");
  // While many orders are created, the newest is another one with each snapshot: too much to announce.
  const creates = Object.values(faults.jobs).some((job) => job.startsWith("creating"));
  const isRestless = chosen === null && creates;
  at("verdict").setAttribute("aria-live", isRestless ? "off" : "polite");
  say(at("verdict"), story ? panels.verdict(story) : "");
  show(diagram, story);
  panels.functions(at("functions"), view.functions, view.now_ms);
  panels.choices(at("function"), Object.keys(view.functions));
  panels.topics(at("topics"), view.topics);
  panels.tables(at("tables"), view.tables);
  panels.letters(at("letters"), faults.letters);
  panels.activity(at("activity"), view.activity, view.now_ms);
  buttons(story, faults);
}

const BROKER = {
  running: ["Stop the broker", "stop-broker", false],
  stopping: ["The broker stops …", "stop-broker", true],
  stopped: ["Start the broker", "start-broker", false],
  starting: ["The broker starts …", "start-broker", true],
  elsewhere: ["The broker is not this run's", "stop-broker", true],
};

/** Sets a button's words, and leaves the key behind them. */
function label(button, words) {
  say(button.firstChild, `${words} `);
}

function buttons(story, faults) {
  const broker = at("broker");
  const [words, action, isDisabled] = BROKER[faults.broker];
  label(broker, words);
  broker.dataset.press = action;
  broker.disabled = isDisabled;
  const throttle = at("throttle");
  label(throttle, faults.is_throttled ? "Stop throttling" : "Throttle the table");
  throttle.dataset.on = String(!faults.is_throttled);
  ({ stopped } = faults);
  freezeOrThaw();
  at("cancel").disabled = !story?.status || story.status === "CANCELLED" || story.status === "REJECTED";
  at("redrive").disabled = faults.letters.length === 0;
  // They change with each order, so they are not announced: a press says what begins, and "What else
  // happened" how it ended.
  const jobs = Object.values(faults.jobs);
  say(at("jobs"), jobs.length ? `◔ ${jobs.join("; ")}` : "");
}

/** The button thaws what it has frozen. */
function freezeOrThaw() {
  const isStopped = Boolean(stopped[at("function").value]);
  label(at("freeze"), isStopped ? "Thaw" : "Freeze");
  at("freeze").dataset.press = isStopped ? "thaw" : "freeze";
}

at("function").addEventListener("change", freezeOrThaw);

function announce(words, kind) {
  say(at("said"), words);
  at("said").dataset.is = kind;
}

/** Presses a button, and follows the order that comes of it. */
async function press(what) {
  announce("…", "pressed");
  try {
    let answer = await send(what);
    if (answer.status === 403) {
      token = null;
      answer = await send(what);
    }
    const pressed = await answer.json();
    announce(`${answer.ok ? "✓" : "✕"} ${pressed.said}`, answer.ok ? "done" : "refused");
    if (pressed.order_id && pressed.order_id !== chosen) {
      choose(pressed.order_id);
    }
  } catch {
    announce("✕ The system does not answer. Is it still running?", "refused");
  }
}

async function send(what) {
  if (token === null) {
    const answer = await fetch("/console/token");
    ({ token } = await answer.json());
  }
  const headers = { "content-type": "application/json", "x-console-token": token ?? "" };
  return fetch("/console/press", { method: "POST", headers, body: JSON.stringify(what) });
}

/** What a button says when it is pressed. */
function pressOf({ press: name, orders, before, on }) {
  const what = { press: name };
  if (orders) what.orders = Number(orders);
  if (before) what.before = before;
  if (on) what.on = on === "true";
  if (name === "cancel") what.order_id = shown;
  if (["kill-function", "freeze", "thaw"].includes(name)) what.function = at("function").value;
  return what;
}

const pressed = [...document.querySelectorAll(".controls button[data-press]")];
for (const button of pressed) {
  button.addEventListener("click", () => press(pressOf(button.dataset)));
  button.setAttribute("aria-keyshortcuts", button.dataset.key);
}

at("follow").addEventListener("change", (event) => choose(event.target.checked ? null : shown));

/** The next order of the list in a direction. */
function move(by) {
  const next = listed[listed.indexOf(shown) + by];
  if (next) choose(next);
}

const KEYS = { j: () => move(1), k: () => move(-1), f: () => choose(null) };

try {
  at("keys").checked = localStorage.getItem("keys") !== "off";
} catch {
  // Without storage the shortcuts are on.
}
at("keys").addEventListener("change", (event) => {
  try {
    localStorage.setItem("keys", event.target.checked ? "on" : "off");
  } catch {
    // The choice holds until the page is closed.
  }
});

document.addEventListener("keydown", (event) => {
  const isCommand = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
  // In the list of functions a letter chooses.
  if (!at("keys").checked || isCommand || event.target === at("function")) return;
  const key = event.key.toLowerCase();
  const button = pressed.find((one) => one.dataset.key === key);
  if (button) {
    if (!button.disabled) button.click();
  } else {
    KEYS[key]?.();
  }
});

connect();
