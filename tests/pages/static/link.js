// What a link in a mail leads to. The token is in the fragment, which no browser sends to a server;
// it is taken out of the address at once, so that it stays in no history.

const at = (id) => document.getElementById(id);

const [purpose, token] = location.hash.slice(1).split("=");
history.replaceState(null, "", location.pathname);

const PURPOSES = {
  "confirm-email": {
    lead: "Confirm that this is the e-mail address of your account.",
    button: "Confirm the address",
    path: "/v1/email-confirmations",
    done: "The address is confirmed.",
  },
  "reset-password": {
    lead: "Choose a new password for your account. All sessions end.",
    button: "Set the password",
    path: "/v1/password-resets/confirm",
    done: "The password is set. Log in with it.",
  },
};

const known = Object.hasOwn(PURPOSES, purpose) && token ? PURPOSES[purpose] : undefined;

const NO_ANSWER = "The service does not answer. Try again.";

/** Uses the token, and returns what came of it in words. */
async function use() {
  const body = { token };
  if (purpose === "reset-password") {
    body.new_password = at("new").value;
  }
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(known.path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.ok) {
    at("form").hidden = true;
    return known.done;
  }
  const problem = await answer.json();
  const faults = (problem.errors ?? []).map((fault) => fault.detail);
  return [problem.detail ?? NO_ANSWER, ...faults].join(" ");
}

if (known) {
  at("lead").textContent = known.lead;
  at("password").hidden = purpose !== "reset-password";
  at("go").textContent = known.button;
  at("form").hidden = false;
  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    at("go").disabled = true;
    at("result").textContent = "";
    try {
      at("result").textContent = await use();
    } catch {
      at("result").textContent = NO_ANSWER;
    } finally {
      at("go").disabled = false;
    }
  });
}
