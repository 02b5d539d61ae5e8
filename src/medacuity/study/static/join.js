// The page of an invitation: the token comes in the fragment, which no server or proxy sees.

import { Trouble, ask } from "./api.js";

const token = location.hash.slice(1);
const trouble = document.getElementById("trouble");
const button = document.getElementById("begin");

history.replaceState(null, "", location.pathname);
if (!token) {
  button.hidden = true;
  document.getElementById("words").textContent =
    "To judge images you need your invitation link. Please open it again.";
}

document.getElementById("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  trouble.textContent = "";
  try {
    await ask("/api/session", { post: { token } });
    location.replace("/rate");
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    trouble.textContent = error.message;
    button.disabled = false;
    button.focus();
  }
});
button.focus();
