// The controls around the stage: what every key does, a button or a slider does too.

const WINDOW_STEP = 1.15;
const PAN_STEP = 0.05;

/** Connect the toolbar to the stage; return the actions for the keys. */
export function connectViewing(stage, byId) {
  const tool = () => byId("tools").elements.tool.value;
  const actions = {
    up: () => stage.scroll(-1),
    down: () => stage.scroll(1),
    farUp: () => stage.scroll(-5),
    farDown: () => stage.scroll(5),
    flip: () => byId("flicker").hidden || stage.flip(),
    layout: () => byId("flicker").hidden || stage.setFlicker(false),
    narrower: () => stage.adjustWindow(0, 1 / WINDOW_STEP),
    wider: () => stage.adjustWindow(0, WINDOW_STEP),
    brighter: () => stage.adjustWindow(-0.05, 1),
    darker: () => stage.adjustWindow(0.05, 1),
    smooth: () => stage.setSmooth(!stage.smooth),
    closer: () => stage.zoomBy(1.25),
    farther: () => stage.zoomBy(0.8),
    left: () => stage.panBy(PAN_STEP, 0),
    right: () => stage.panBy(-PAN_STEP, 0),
    above: () => stage.panBy(0, PAN_STEP),
    below: () => stage.panBy(0, -PAN_STEP),
    reset: () => stage.reset(),
  };
  byId("slice").addEventListener("input", (event) => stage.goTo(Number(event.target.value) - 1));
  for (const button of document.querySelectorAll("button[data-does]")) {
    if (actions[button.dataset.does]) button.addEventListener("click", actions[button.dataset.does]);
  }
  return { actions, tool };
}

/** Set up the toolbar for a trial: what there is to look through. */
export function prepareViewing(stage, byId, { layout, image }) {
  const many = image.slices > 1;
  const pair = stage.labels.length > 1;
  byId("slices").hidden = !many;
  byId("slice").max = image.slices;
  byId("flicker").hidden = !pair || layout === "side-by-side";
  byId("beside").hidden = layout !== "choice";
  for (const option of byId("tools").elements.tool) {
    option.parentElement.hidden = option.value === "slices" && !many;
    if (option.value === (many ? "slices" : "window") && !byId("tools").dataset.chosen) {
      option.checked = true;
    }
  }
}

/** Say what is seen: slice, window, zoom. */
export function showViewing(stage, byId, { low, high, slices }) {
  const { view } = stage;
  if (!view) return;
  const inUnit = (stored) => low + (stored * (high - low)) / 65535;
  const [black, white] = [inUnit(view.low), inUnit(view.high)];
  byId("slice").value = view.slice + 1;
  byId("slice").setAttribute("aria-valuetext", `${view.slice + 1} of ${slices}`);
  byId("slice-said").textContent = slices > 1 ? `${view.slice + 1} / ${slices}` : "";
  byId("window-said").textContent =
    `${view.zoom.toFixed(1)}×   W ${short(white - black)}   L ${short((white + black) / 2)}`;
  byId("flip").setAttribute("aria-pressed", String(stage.flickering));
  byId("beside").setAttribute("aria-pressed", String(!stage.flickering));
}

function short(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 1 : 3;
  return value.toFixed(digits);
}
