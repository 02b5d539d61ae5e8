// What hands do on the images: mouse, pen and fingers, one set of rules for all panels.
//
// One finger or the left button does what the chosen tool says; two fingers pinch and move; the
// right button always sets the window and the middle one always moves; the wheel goes through
// the slices, with Ctrl it zooms.

const WHEEL_STEP = 40;
const SLICE_STEP = 12;

/** Connect a stage to the pointers on it; `tool()` says what a plain drag does. */
export function connectGestures(root, stage, tool) {
  const pointers = new Map();
  let rolled = 0;

  root.addEventListener("contextmenu", (event) => event.preventDefault());
  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) {
      const { at, panel } = place(root, event);
      stage.zoomBy(Math.exp(-event.deltaY / 300), at, panel);
      return;
    }
    rolled += event.deltaMode === 0 ? event.deltaY : event.deltaY * WHEEL_STEP;
    const steps = Math.trunc(rolled / WHEEL_STEP);
    rolled -= steps * WHEEL_STEP;
    if (steps) stage.scroll(steps);
  }, { passive: false });

  root.addEventListener("pointerdown", (event) => {
    root.setPointerCapture(event.pointerId);
    const task = ["", "pan", "window"][event.button] || (event.shiftKey ? "pan" : tool());
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, task, rest: 0,
      ...place(root, event) });
  });
  root.addEventListener("pointermove", (event) => {
    const held = pointers.get(event.pointerId);
    if (!held) return;
    const others = [...pointers.entries()].filter(([id]) => id !== event.pointerId);
    if (others.length) pinch(stage, held, others[0][1], event);
    else drag(stage, held, event);
    held.x = event.clientX;
    held.y = event.clientY;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    root.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
}

function drag(stage, held, event) {
  const right = event.clientX - held.x;
  const down = event.clientY - held.y;
  if (held.task === "window") {
    stage.adjustWindow(-down / held.height, Math.exp(right / 200));
  } else if (held.task === "pan") {
    stage.panBy(right / held.width, down / held.height, held.panel);
  } else {
    held.rest += down;
    const steps = Math.trunc(held.rest / SLICE_STEP);
    held.rest -= steps * SLICE_STEP;
    if (steps) stage.scroll(steps);
  }
}

function pinch(stage, held, other, event) {
  const before = Math.hypot(held.x - other.x, held.y - other.y);
  const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
  if (before > 0 && after > 0) stage.zoomBy(after / before, held.at, held.panel);
  const right = (event.clientX - held.x) / 2;
  const down = (event.clientY - held.y) / 2;
  stage.panBy(right / held.width, down / held.height, held.panel);
}

/** Return on which panel an event is, that panel's size, and where on it (0 to 1). */
function place(root, event) {
  const figure = event.target.closest?.("figure") ?? root.querySelector("figure:not([hidden])");
  const box = (figure ?? root).getBoundingClientRect();
  const at = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  return { at, panel: Number(figure?.dataset.panel ?? 0), width: box.width, height: box.height };
}
