// What the page says beside the images: covers, progress, the state of the network.

export const byId = (id) => document.getElementById(id);

/** Tell people who listen to the page rather than look at it. */
export function say(words) {
  byId("said").textContent = "";
  requestAnimationFrame(() => {
    byId("said").textContent = words;
  });
}

/** Tell everybody, for some seconds. */
export function tell(words) {
  say(words);
  const toast = byId("toast");
  toast.textContent = words;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => {
    toast.hidden = true;
  }, 5000);
}

let hiding = 0;

/** Cover the page with some words; with a button, wait until it is pressed. */
export function cover({ heading, text, note = "", button, ramp = false, undo }) {
  const node = byId("cover");
  node.hidden = false;
  byId("trial").inert = true;
  byId("cover-heading").textContent = heading;
  byId("cover-text").replaceChildren(...paragraphs(text));
  byId("cover-note").textContent = note;
  byId("cover-ramp").hidden = !ramp;
  if (ramp) drawRamp(byId("ramp"));
  const press = fresh("cover-go");
  press.textContent = button ?? "";
  press.hidden = !button;
  const back = fresh("cover-undo");
  back.hidden = !undo;
  if (undo) back.addEventListener("click", undo);
  if (!button) {
    byId("cover-heading").focus();
    return Promise.resolve();
  }
  press.focus();
  return new Promise((resolve) => {
    press.addEventListener("click", () => {
      uncover();
      resolve();
    });
  });
}

export function uncover() {
  byId("cover").hidden = true;
  byId("trial").inert = false;
}

/** Say how far a rater is; practice is counted by itself. */
export function showProgress(position, { training, total }) {
  const practice = position < training;
  const [done, all] = practice ? [position, training] : [position - training, total - training];
  const number = Math.min(done + 1, all);
  byId("progress-said").textContent = `${practice ? "Practice " : ""}${number} of ${all}`;
  byId("progress-row").hidden = false;
  byId("progress").max = all;
  byId("progress").value = done;
}

/** Say quietly whether answers are saved; nothing is lost while they wait. */
export function showNetwork({ waiting, trouble, ahead }) {
  const node = byId("network");
  const kept = waiting
    ? ` · ${waiting} ${waiting === 1 ? "answer" : "answers"} kept on this device` : "";
  const words = {
    offline: `Waiting for the network${kept}`,
    busy: `Waiting for the server${kept}`,
    session: `Please open your invitation link again${kept}`,
  }[trouble];
  node.dataset.state = trouble ? "waiting" : waiting ? "saving" : "saved";
  node.textContent = words ?? (waiting ? "Saving" : "Saved");
  node.title = trouble ? `${ahead} more can be shown without the network.` : "";
}

/**
 * Let one tab at a time rate: the newest. `lost` is fulfilled in the older one. Where the browser
 * has no locks (without TLS), the keys of the events must do.
 */
export async function stayAlone(rater) {
  if (!navigator.locks) return { lost: new Promise(() => {}) };
  return new Promise((resolve) => {
    const lost = new Promise((lose) => {
      const hold = () => {
        resolve({ lost });
        return new Promise(() => {});
      };
      navigator.locks.request(`rating-${rater}`, { steal: true }, hold).catch(lose);
    });
    lost.catch(() => {});
  });
}

function paragraphs(text) {
  return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = part.trim();
    return paragraph;
  });
}

/** Replace a button by its copy, so that what it did before is forgotten. */
function fresh(id) {
  const button = byId(id).cloneNode(true);
  byId(id).replaceWith(button);
  return button;
}

/** Draw patches of 5 % and 95 % in black and white: a screen set well shows both. */
function drawRamp(canvas) {
  const context = canvas.getContext("2d");
  const greys = 11;
  const width = canvas.width / greys;
  for (let i = 0; i < greys; i += 1) {
    context.fillStyle = grey(i / (greys - 1));
    context.fillRect(Math.round(i * width), 0, Math.ceil(width), canvas.height);
  }
  const side = canvas.height / 2;
  context.fillStyle = grey(0.05);
  context.fillRect(width / 2 - side / 2, side / 2, side, side);
  context.fillStyle = grey(0.95);
  context.fillRect(canvas.width - width / 2 - side / 2, side / 2, side, side);
}

function grey(part) {
  const level = Math.round(255 * part);
  return `rgb(${level}, ${level}, ${level})`;
}
