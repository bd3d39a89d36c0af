// The mails that were sent. Looked up again every second: the page is for people who wait for one.

import { element, keyed } from "/console/dom.js";

const at = (id) => document.getElementById(id);

/** A mail's text, in which the link can be followed. */
function textOf(mail) {
  const lines = mail.text.split("\n").map((line) => {
    const isLink = line.startsWith(`${location.protocol}//`);
    return isLink ? element("a", { href: line, textContent: line }) : line;
  });
  return lines.flatMap((line) => [line, "\n"]).slice(0, -1);
}

function make(mail) {
  const time = new Date(mail.at_ms).toLocaleTimeString();
  return element(
    "li",
    { className: "card mail" },
    element("h2", { textContent: mail.subject }),
    element("p", { className: "muted", textContent: `${time}, to ${mail.to.join(", ")}` }),
    element("pre", {}, ...textOf(mail)),
  );
}

async function show() {
  const answer = await fetch("/mails/list");
  if (answer.ok) {
    const mails = await answer.json();
    at("none").hidden = mails.length > 0;
    keyed(at("list"), mails, (mail) => mail.number, make, () => {});
  }
}

async function go() {
  try {
    await show();
  } finally {
    setTimeout(go, 1_000);
  }
}

go();
