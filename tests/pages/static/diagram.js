// One order as a sequence of steps between lanes.

import { count, element, keyed, say, span } from "./dom.js";

const LANES = [
  ["client", "client"],
  ["create-order", "create-order"],
  ["cancel-order", "cancel-order"],
  ["table", "table"],
  ["broker", "broker"],
  ["transaction-check", "transaction-check"],
  ["event-consumer", "event-consumer"],
];

/** The lanes that take part in the protocol whenever it goes well. */
const USUAL = new Set(LANES.map(([lane]) => lane).filter((lane) => lane !== "cancel-order"));

/** Colour of an arrow by its kind; the words on it say the same. */
const TONES = {
  commit: "good",
  "checked-commit": "good",
  "publication-commit": "good",
  put: "good",
  reserve: "good",
  finish: "good",
  rollback: "bad",
  "checked-rollback": "bad",
  fence: "bad",
  reject: "bad",
  "give-up": "bad",
  "no-answer": "bad",
  "check-back": "wait",
  "checked-unknown": "wait",
  claim: "wait",
  ask: "wait",
  note: "wait",
  postpone: "wait",
  read: "quiet",
  acknowledge: "quiet",
};

const OUTCOMES = {
  open: " …",
  done: "",
  refused: " ✕ refused",
  throttled: " ◔ throttled",
  failed: " ! failed",
};

const HEADLINES = {
  request: "The client orders",
  "cancel-request": "The client cancels",
  answer: "The answer",
  "no-answer": "No answer",
  "half-message": "Half message",
  put: "Local transaction",
  commit: "Commit",
  rollback: "Rollback",
  killed: "✕ Killed",
  publication: "Half message of a later event",
  "publication-commit": "Commit of the later event",
  "check-back": "Check-back",
  "checked-commit": "The check's answer: commit",
  "checked-rollback": "The check's answer: rollback",
  "checked-unknown": "The check's answer: ask again",
  read: "Read",
  fence: "Fence",
  reserve: "Stock reserved, order confirmed",
  reject: "Order rejected",
  cancel: "Order cancelled",
  finish: "Event handled",
  note: "Failure noted",
  "give-up": "Given up",
  redrive: "Redriven",
  claim: "Sweep",
  ask: "The topic is asked",
  delivery: "Delivery",
  acknowledge: "Acknowledged",
  postpone: "Put off",
};

/** Shows the steps of `story`, or nothing without one. */
export function show(parts, story) {
  const steps = story ? story.all_steps : [];
  const used = new Set(steps.flatMap((step) => [step.from, step.to]));
  const lanes = steps.length ? LANES.filter(([lane]) => USUAL.has(lane) || used.has(lane)) : [];
  const positions = new Map(lanes.map(([lane], index) => [lane, index]));
  head(parts.lanes, lanes);
  const isSame = parts.steps.dataset.order === (story ? story.order_id : "");
  const width = String(lanes.length);
  if (!isSame || parts.steps.dataset.lanes !== width) {
    parts.steps.replaceChildren();
    parts.steps.dataset.order = story ? story.order_id : "";
    parts.steps.dataset.lanes = width;
  }
  const begun = steps.length ? steps[0].at_ms : 0;
  const last = story?.left_out ? [{ number: "left-out", left_out: story.left_out }] : [];
  keyed(
    parts.steps,
    [...steps, ...last],
    (step) => step.number,
    (step) => (step.left_out ? element("li", { className: "left-out" }) : make(lanes, isSame)),
    (row, step) => (step.left_out ? say(row, leftOut(step.left_out)) : fill(row, step, begun, positions)),
  );
  parts.empty.hidden = steps.length > 0;
}

function leftOut(steps) {
  return steps === 1 ? "1 further step is not kept." : `${count(steps)} further steps are not kept.`;
}

function head(target, lanes) {
  const names = lanes.map(([, name]) => name).join(" ");
  if (target.dataset.names === names) return;
  target.dataset.names = names;
  if (!lanes.length) {
    target.replaceChildren();
    return;
  }
  const columns = element("div", { className: "lane-names" });
  columns.style.gridTemplateColumns = `repeat(${lanes.length}, minmax(0, 1fr))`;
  columns.append(...lanes.map(([, name]) => element("span", {}, name)));
  const [time, meaning] = [element("span", {}, "time"), element("span", {}, "what it means")];
  target.replaceChildren(time, columns, meaning);
}

function make(lanes, isNew) {
  const track = element("div", { className: "track" });
  track.style.gridTemplateColumns = `repeat(${lanes.length * 2}, minmax(0, 1fr))`;
  for (let lane = 0; lane < lanes.length; lane += 1) {
    const life = element("span", { className: "life" });
    life.style.gridColumn = `${lane * 2 + 2}`;
    track.append(life);
  }
  // What is drawn, in words for a screen reader.
  track.setAttribute("aria-hidden", "true");
  const drawn = element("span", { className: "visually-hidden" });
  const says = element("p", { className: "says" }, element("b"), element("span"));
  const row = element("li", { className: "step" }, element("time"), drawn, track, says);
  row.classList.toggle("new", isNew);
  return row;
}

function fill(row, step, begun, positions) {
  const written = JSON.stringify(step) + begun;
  if (row.dataset.written === written) return;
  row.dataset.written = written;
  row.dataset.kind = step.kind;
  row.dataset.outcome = step.outcome;
  const [time, drawn, track, says] = row.children;
  say(time, `+ ${span(step.at_ms - begun)}`);
  const took = step.took_ms === null ? "" : ` · ${span(step.took_ms)}`;
  const headline = HEADLINES[step.kind] ?? step.kind;
  says.children[0].textContent = `${headline}${OUTCOMES[step.outcome]}${took}`;
  says.children[1].textContent = step.meaning;
  const between = step.from === step.to ? step.from : `${step.from} to ${step.to}`;
  const tries = step.tries > 1 ? `, ${count(step.tries)} tries` : "";
  drawn.textContent = ` ${between}: ${step.label}${tries}. `;
  track.querySelector(".arrow, .mark")?.remove();
  const [from, to] = [positions.get(step.from), positions.get(step.to)];
  track.append(from === to ? mark(step, from) : arrow(step, from, to));
}

function mark(step, lane) {
  const made = element("span", { className: "mark" }, `✕ ${step.label}`);
  made.style.gridColumn = `${lane * 2 + 2} / span 2`;
  return made;
}

function arrow(step, from, to) {
  const isBad = step.outcome === "failed" || step.outcome === "refused";
  const isWaiting = step.outcome === "throttled";
  const tone = isBad ? "bad" : isWaiting ? "wait" : (TONES[step.kind] ?? "plain");
  const data = { to: to < from ? "left" : "right", tone, is: step.outcome };
  const made = element("div", { className: "arrow", data }, element("span", {}, step.tries > 1 ? `${step.label} × ${step.tries}` : step.label));
  made.style.gridColumn = `${Math.min(from, to) * 2 + 2} / ${Math.max(from, to) * 2 + 2}`;
  return made;
}
