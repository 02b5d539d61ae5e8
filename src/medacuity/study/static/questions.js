// The questions of a trial: any number of items, each with choices or a slider.

/** Builds the form once per study; says what was answered, and whether that is all. */
export class Questions {
  #form;
  #items;

  constructor(form, items, onChange) {
    this.#form = form;
    this.onChange = onChange;
    this.#items = items.map((item) => makeItem(item, () => this.#changed()));
    form.replaceChildren(...this.#items.map((item) => item.element));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Begin afresh, or with answers that were given before. */
  reset(values = {}) {
    for (const item of this.#items) item.set(values[item.name]);
    this.#changed();
  }

  get values() {
    return Object.fromEntries(this.#items.map((item) => [item.name, item.read()]));
  }

  get complete() {
    return this.#items.every((item) => item.read() !== null);
  }

  set enabled(on) {
    for (const item of this.#items) item.element.disabled = !on;
  }

  /** Let a key answer the item in focus, or the first open one; return whether it did. */
  press(key) {
    const item = this.#current();
    if (!item.press(key)) return false;
    const next = this.#items[this.#items.indexOf(item) + 1];
    if (next && item.read() !== null && !item.slides) next.focus();
    return true;
  }

  /** Put the focus on the first item without an answer. */
  focusOpen() {
    this.#items.find((item) => item.read() === null)?.focus();
  }

  #current() {
    const focused = this.#items.find((item) => item.element.contains(document.activeElement));
    return focused ?? this.#items.find((item) => item.read() === null) ?? this.#items[0];
  }

  #changed() {
    const open = this.#items.find((item) => item.read() === null);
    for (const item of this.#items) item.element.classList.toggle("open", item === open);
    this.onChange(this);
  }
}

function makeItem(item, onChange) {
  const element = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = item.question;
  element.append(legend);
  const parts = item.slider ? makeSlider(item, onChange) : makeChoices(item, onChange);
  element.append(parts.body);
  return { name: item.name, element, slides: Boolean(item.slider), ...parts.manners };
}

function makeChoices(item, onChange) {
  const body = document.createElement("div");
  body.className = "choices";
  const choices = item.choices.map((choice) => ({ ...choice, key: freeKey(choice.key) }));
  const inputs = choices.map((choice) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const key = document.createElement("kbd");
    const words = document.createElement("span");
    Object.assign(input, { type: "radio", name: item.name, value: choice.value });
    input.addEventListener("change", onChange);
    key.textContent = KEY_SIGNS[choice.key] ?? choice.key;
    key.setAttribute("aria-hidden", "true");
    words.textContent = choice.label;
    label.append(input, key, words);
    body.append(label);
    return input;
  });
  const press = (key) => {
    const index = choices.findIndex((choice) => choice.key === key);
    if (index < 0) return false;
    inputs[index].checked = true;
    inputs[index].focus();
    onChange();
    return true;
  };
  const manners = {
    press,
    read: () => {
      const checked = inputs.findIndex((input) => input.checked);
      return checked < 0 ? null : item.choices[checked].value;
    },
    set: (value) => inputs.forEach((input, i) => (input.checked = item.choices[i].value === value)),
    focus: () => (inputs.find((input) => input.checked) ?? inputs[0]).focus(),
  };
  return { body, manners };
}

function makeSlider(item, onChange) {
  const { low, high, step, left, right } = item.slider;
  const body = document.createElement("div");
  const input = document.createElement("input");
  const said = document.createElement("output");
  const ends = { left, right };
  for (const [side, words] of Object.entries(ends)) {
    ends[side] = document.createElement("span");
    ends[side].className = side;
    ends[side].textContent = words;
  }
  body.className = "slider";
  Object.assign(input, { type: "range", min: low, max: high, step });
  input.setAttribute("aria-label", `${item.question} ${low}: ${left}; ${high}: ${right}`);
  body.append(input, ends.left, said, ends.right);
  let touched = false;
  const show = () => {
    body.classList.toggle("untouched", !touched);
    said.textContent = touched ? input.value : "–";
    input.setAttribute("aria-valuetext", touched ? input.value : "not answered yet");
  };
  const touch = (value) => {
    if (value !== undefined) input.value = value;
    touched = true;
    show();
    onChange();
  };
  // A click on the handle where it stands is an answer too, though nothing moves.
  for (const name of ["input", "pointerup"]) input.addEventListener(name, () => touch());
  const manners = {
    press: (key) => {
      const moved = slid(key, touched ? Number(input.value) : (low + high) / 2, item.slider);
      if (moved === null) return false;
      touch(moved);
      input.focus();
      return true;
    },
    read: () => (touched ? Number(input.value) : null),
    set: (value) => {
      touched = value !== undefined;
      input.value = value ?? (low + high) / 2;
      show();
    },
    focus: () => input.focus(),
  };
  return { body, manners };
}

/** Return where a key takes a slider: digits to the tenths, arrows one step; null: nowhere. */
function slid(key, value, { low, high, step }) {
  if (/^[0-9]$/.test(key)) return low + ((high - low) * Number(key)) / 10;
  const by = { ArrowLeft: -step, ArrowRight: step }[key];
  return by === undefined ? null : Math.min(high, Math.max(low, value + by));
}

/** Return a choice's key; up and down go through the slices, whatever is asked. */
export function freeKey(key) {
  return key === "ArrowUp" || key === "ArrowDown" ? "0" : key;
}

/** How keys are written on the page, where their names are long. */
export const KEY_SIGNS = { ArrowLeft: "←", ArrowRight: "→" };
