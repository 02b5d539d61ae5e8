// The administrator's page: progress as it happens, invitations, the ratings.

import { Trouble, ask, pause } from "./api.js";

const byId = (id) => document.getElementById(id);
const EVERY = 2500;
let csrf = null;

/** Make an element with text; nothing from outside is ever parsed as HTML. */
function make(name, text = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function show(progress) {
  byId("login").hidden = true;
  byId("study").hidden = false;
  const finished = progress.raters.filter((rater) => rater.finished).length;
  const figures = {
    Answers: progress.answers,
    Raters: progress.raters.length,
    Finished: finished,
    "Trials per rater": progress.trials,
    Stimuli: progress.stimuli,
    Scale: progress.scale,
  };
  byId("figures").replaceChildren(...Object.entries(figures).map(([name, value]) => {
    const pair = make("div");
    pair.append(make("dt", name), make("dd", String(value)));
    return pair;
  }));
  const focused = document.activeElement?.dataset?.name;
  byId("raters").replaceChildren(...progress.raters.map(raterRow));
  if (focused) document.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
  byId("live").textContent = `Live · ${new Date().toLocaleTimeString()}`;
}

function raterRow(rater) {
  const row = make("tr", "", rater.withdrawn ? { class: "withdrawn" } : {});
  const name = make("th", rater.name, { scope: "row" });
  if (rater.withdrawn) name.append(make("span", "withdrawn", { class: "tag" }));
  else if (rater.finished) name.append(make("span", "finished", { class: "tag good" }));
  const bar = make("td");
  bar.append(make("progress", "", {
    max: rater.total, value: rater.answered, "aria-label": `Progress of ${rater.name}`,
  }));
  const seconds = rater.median_seconds === null ? "–" : `${rater.median_seconds.toFixed(1)} s`;
  const checks = rater.checks_seen ? `${rater.checks_passed} of ${rater.checks_seen}` : "–";
  const missed = rater.checks_passed < rater.checks_seen;
  row.append(
    name,
    bar,
    make("td", `${rater.answered} of ${rater.total}`, { class: "number" }),
    make("td", seconds, { class: "number" }),
    make("td", checks, { class: missed ? "number missed" : "number" }),
    make("td", rater.last ? since(rater.last) : "–"),
    raterActions(rater),
  );
  return row;
}

function raterActions(rater) {
  const cell = make("td", "", { class: "actions" });
  if (rater.withdrawn) return cell;
  const link = make("button", "New link", { type: "button", class: "plain",
    "data-name": `link-${rater.number}`, "aria-label": `New link for ${rater.name}` });
  const end = make("button", "Withdraw", { type: "button", class: "plain",
    "data-name": `end-${rater.number}`, "aria-label": `Withdraw ${rater.name}` });
  link.addEventListener("click", async () => {
    if (!confirm(`Make a new link for ${rater.name}? The old one ends.`)) return;
    const { path } = await act(`/api/admin/raters/${rater.number}/link`, {});
    if (path) showLinks([{ name: rater.name, path }]);
  });
  end.addEventListener("click", async () => {
    if (!confirm(`Withdraw ${rater.name}? Answers stay; the link ends.`)) return;
    await act(`/api/admin/raters/${rater.number}/withdraw`, {});
    await refresh();
  });
  cell.append(link, end);
  return cell;
}

function since(moment) {
  const seconds = Math.max(0, (Date.now() - Date.parse(moment)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(moment).toLocaleDateString();
}

function showLinks(links) {
  const lines = links.map(({ name, path }) => `${name}\t${location.origin}${path}`);
  const list = byId("links").querySelector("ul");
  list.replaceChildren(...links.map(({ name, path }) => {
    const line = make("li");
    line.append(make("strong", name), make("code", location.origin + path));
    return line;
  }));
  byId("links").hidden = false;
  byId("links-copy").onclick = async () => {
    await navigator.clipboard.writeText(lines.join("\n"));
    byId("said").textContent = "Copied";
  };
  byId("links").scrollIntoView({ block: "nearest" });
}

async function act(path, post) {
  try {
    return await ask(path, { post, csrf });
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    byId("live").textContent = error.message;
    byId("said").textContent = error.message;
    return {};
  }
}

async function refresh() {
  try {
    const progress = await ask("/api/admin/progress");
    csrf = progress.csrf;
    show(progress);
    return true;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.status === 401) return false;
    byId("live").textContent = "Waiting for the server";
    return true;
  }
}

async function follow() {
  while (await refresh()) await pause(EVERY);
  byId("study").hidden = true;
  byId("login").hidden = false;
  byId("secret").focus();
}

async function login(secret) {
  byId("trouble").textContent = "";
  try {
    ({ csrf } = await ask("/api/admin/session", { post: { secret } }));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    byId("trouble").textContent = error.message;
    byId("login").hidden = false;
    return;
  }
  await follow();
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  login(byId("secret").value);
  byId("secret").value = "";
});
byId("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  const names = byId("names").value.split(",").map((name) => name.trim()).filter(Boolean);
  if (!names.length) return;
  const { links } = await act("/api/admin/raters", { names });
  if (!links) return;
  byId("names").value = "";
  showLinks(links);
  await refresh();
});
byId("leave").addEventListener("click", async () => {
  await act("/api/admin/session/end", {});
  location.reload();
});

const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
if (secret) await login(secret);
else await follow();
