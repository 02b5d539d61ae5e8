// The keys of the rating page: one table, which the page obeys and the help shows.

/** Key, with what it is called on the help page, what it does, and the words for it. */
export const KEYS = [
  { group: "Answer", keys: ["Enter"], shown: "Enter", does: "next", words: "Confirm and go on" },
  { group: "Answer", keys: ["u", "U", "Backspace"], shown: "U", does: "undo",
    words: "Take back the last answer" },
  { group: "Look", keys: ["ArrowUp"], shown: "↑", does: "up", words: "Previous slice" },
  { group: "Look", keys: ["ArrowDown"], shown: "↓", does: "down", words: "Next slice" },
  { group: "Look", keys: ["PageUp"], shown: "Page ↑", does: "farUp", words: "Back by five" },
  { group: "Look", keys: ["PageDown"], shown: "Page ↓", does: "farDown", words: "On by five" },
  { group: "Look", keys: ["f", "F"], shown: "F", does: "flip",
    words: "Flicker: swap the images in one place" },
  { group: "Look", keys: ["v", "V"], shown: "V", does: "layout", words: "Both again, side by side" },
  { group: "Look", keys: ["m", "M"], shown: "M", does: "volume", words: "Volume viewer on or off" },
  { group: "Window", keys: ["w"], shown: "W", does: "narrower", words: "More contrast" },
  { group: "Window", keys: ["W"], shown: "Shift W", does: "wider", words: "Less contrast" },
  { group: "Window", keys: ["l"], shown: "L", does: "brighter", words: "Brighter" },
  { group: "Window", keys: ["L"], shown: "Shift L", does: "darker", words: "Darker" },
  { group: "Window", keys: ["i", "I"], shown: "I", does: "smooth",
    words: "Smooth or plain pixels" },
  { group: "Place", keys: ["+", "="], shown: "+", does: "closer", words: "Closer" },
  { group: "Place", keys: ["-", "_"], shown: "−", does: "farther", words: "Farther" },
  { group: "Place", keys: ["ArrowLeft"], shift: true, shown: "Shift ← → ↑ ↓", does: "left",
    words: "Move the image" },
  { group: "Place", keys: ["ArrowRight"], shift: true, does: "right" },
  { group: "Place", keys: ["ArrowUp"], shift: true, does: "above" },
  { group: "Place", keys: ["ArrowDown"], shift: true, does: "below" },
  { group: "Place", keys: ["r", "R"], shown: "R", does: "reset",
    words: "Window, zoom and place as at the start" },
  { group: "Page", keys: ["?", "h", "H"], shown: "?", does: "help", words: "This help" },
];

const CONTROLS = "button, a, summary, select, textarea, input[type=range], input[type=checkbox]";

/**
 * Obey the keys: first the questions, then the table.
 *
 * Single keys can be turned off, for people whose speech or switch control types by accident;
 * everything has a button, too.
 */
export function connectKeys({ answer, actions, active, singleKeys }) {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (!active()) return;
    const undone = event.ctrlKey && event.key === "z";
    const entry = undone ? { does: "undo" } : entryFor(event);
    if (event.ctrlKey && !undone) return;
    if (event.key === "Enter" && event.target.closest?.("button, a, summary")) return;
    if (event.key.length === 1 && !undone && !singleKeys()) return;
    if (ownKey(event)) return;
    if (!undone && !entry?.shift && answer(event.key)) event.preventDefault();
    else if (entry && actions[entry.does]) {
      event.preventDefault();
      if (!event.repeat || REPEATED.has(entry.does)) actions[entry.does]();
    }
  });
}

const REPEATED = new Set([
  "up", "down", "farUp", "farDown", "narrower", "wider", "brighter", "darker", "closer",
  "farther", "left", "right", "below", "above",
]);

function entryFor({ key, shiftKey }) {
  // Letters differ with Shift by themselves; arrows do not.
  const fits = (entry) => !key.startsWith("Arrow") || Boolean(entry.shift) === shiftKey;
  return KEYS.find((entry) => entry.keys.includes(key) && fits(entry));
}

/** Whether a control in focus needs this key itself: a slider its arrows, for instance. */
function ownKey({ key, target }) {
  const control = target.closest?.(CONTROLS);
  if (!control || control.type !== "range") return false;
  const slice = control.closest(".slider") === null;
  return slice && (key.startsWith("Arrow") || key === "Home" || key === "End");
}
