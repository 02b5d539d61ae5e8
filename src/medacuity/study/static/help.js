// The help: the same table of keys that the page obeys, and how hands work.

import { KEYS } from "./keys.js";
import { KEY_SIGNS, freeKey } from "./questions.js";
import { byId } from "./words.js";

/** Set the help up for a study; return whether single letters and digits work as keys. */
export function connectHelp(study) {
  const dialog = byId("help");
  const box = byId("single-keys");
  box.checked = localStorage.getItem("single-keys") !== "off";
  box.addEventListener("change", () => {
    localStorage.setItem("single-keys", box.checked ? "on" : "off");
  });
  const { choices, slider } = study.items[0];
  const answers = slider
    ? [{ shown: "0 … 9", words: "Set the slider in tenths" }, { shown: "← →", words: "One step" }]
    : choices.map(({ key, label }) => ({ shown: KEY_SIGNS[key] ?? freeKey(key), words: label }));
  const pair = study.layout !== "single";
  const present = (does) =>
    (does !== "flip" || (pair && study.layout !== "side-by-side"))
    && (does !== "layout" || study.layout === "choice")
    && (does !== "volume" || study.viewer === "volume");
  writeKeys(byId("keys"), answers, present);
  byId("help-close").addEventListener("click", () => dialog.close());
  return () => box.checked;
}

/** Write the table of keys into an element. */
function writeKeys(element, choices, present) {
  const rows = KEYS.filter(({ shown, does }) => shown && present(does));
  const groups = new Map([["Answer", choices]]);
  for (const { group, shown, words } of rows) {
    groups.set(group, [...(groups.get(group) ?? []), { shown, words }]);
  }
  element.replaceChildren(...[...groups].map(([name, lines]) => keyGroup(name, lines)));
}

function keyGroup(name, lines) {
  const section = document.createElement("section");
  const heading = document.createElement("h3");
  const list = document.createElement("dl");
  heading.textContent = name;
  for (const { shown, words } of lines) {
    const term = document.createElement("dt");
    const meaning = document.createElement("dd");
    for (const part of shown.split(" ")) {
      const key = document.createElement("kbd");
      key.textContent = part;
      term.append(key);
    }
    meaning.textContent = words;
    list.append(term, meaning);
  }
  section.append(heading, list);
  return section;
}
