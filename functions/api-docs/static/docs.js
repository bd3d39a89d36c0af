// The API's description in Swagger UI, with a form that logs in.

const DESCRIPTION = "/docs/openapi.yaml";

const at = (id) => document.getElementById(id);

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

function load(path) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = path;
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.head.append(script);
  });
}

/** Every request goes to this page's own server, whatever address the description names. */
function toThisServer(request) {
  const url = new URL(request.url, location.origin);
  request.url = `${location.origin}${url.pathname}${url.search}`;
  return request;
}

/** The names of the security schemes that take an access token. */
function bearers(ui) {
  const schemes = ui.specSelectors.specJson().toJS().components?.securitySchemes ?? {};
  return Object.keys(schemes).filter((name) => schemes[name].scheme?.toLowerCase() === "bearer");
}

async function login(ui, form) {
  const { email, password } = Object.fromEntries(new FormData(form));
  const answer = await fetch("/v1/users/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password }),
  });
  const body = await answer.json();
  if (!answer.ok) {
    at("who").textContent = `the login was refused: ${body.detail ?? answer.status}`;
    return;
  }
  for (const name of bearers(ui)) {
    ui.preauthorizeApiKey(name, body.access_token);
  }
  at("who").textContent = `logged in as ${email}, for 15 minutes`;
  at("login").textContent = "Log in again";
}

async function show() {
  try {
    await load("/docs/viewer.js");
  } catch {
    at("wait").textContent = "The viewer could not be loaded. Reload the page.";
    return;
  }
  const ui = window.SwaggerUIBundle({
    url: DESCRIPTION,
    dom_id: "#api",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    presets: [window.SwaggerUIBundle.presets.apis],
    requestInterceptor: toThisServer,
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => {
      at("login").disabled = false;
    },
  });
  const form = at("credentials");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await login(ui, form);
    } catch {
      at("who").textContent = "the login was not answered; try again";
    }
  });
}

await show();
