// The first order's commands, for the address of this page.

const at = (id) => document.getElementById(id);

const answer = await fetch("/pages/first-order.sh");
at("commands").textContent = (await answer.text()).replaceAll("http://127.0.0.1:8000", location.origin);

at("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(at("commands").textContent);
    at("copied").textContent = "Copied. Paste it into a terminal.";
  } catch {
    // The browser refuses: the reader can still copy by hand.
    getSelection().selectAllChildren(at("commands"));
    at("copied").textContent = "Selected. Copy it with your keyboard.";
  }
});
