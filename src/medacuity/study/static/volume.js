// The volume viewer: NiiVue in each panel, looking at the same place with the same window.

import { Niivue, SLICE_TYPE } from "./niivue/niivue.js";

const HEADER = 352; // NIfTI-1 and its four empty bytes of extensions

/** Open a viewer per panel, on the stacks that are here already; `close` frees the screen card. */
export async function openVolume(root, trial, view) {
  const { image, panels } = trial;
  const viewers = [];
  root.hidden = false;
  for (const { label, image: { stack } } of panels) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${label || "Image"}, volume`);
    caption.textContent = label;
    caption.hidden = !label;
    figure.append(canvas, caption);
    root.append(figure);
    viewers.push(await openOne(canvas, asNifti(stack, image), scannerWindow(view, image)));
  }
  for (const viewer of viewers) {
    viewer.broadcastTo(viewers.filter((other) => other !== viewer), { "2d": true, "3d": true });
  }
  return { close: () => closeAll(root, viewers) };
}

async function openOne(canvas, nifti, { low, high }) {
  const viewer = new Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: [0.87, 0.65, 0.35, 0.5],
    crosshairGap: 8,
    crosshairWidth: 0.5,
    crosshairWidthUnit: "voxels",
    dragAndDropEnabled: false,
    isOrientationTextVisible: false,
    loadingText: "",
    logLevel: "error",
    show3Dcrosshair: true,
  });
  await viewer.attachToCanvas(canvas);
  await viewer.loadFromArrayBuffer(nifti, "volume.nii");
  viewer.volumes[0].cal_min = low;
  viewer.volumes[0].cal_max = high;
  viewer.updateGLVolume();
  viewer.setSliceType(SLICE_TYPE.MULTIPLANAR);
  return viewer;
}

function closeAll(root, viewers) {
  for (const viewer of viewers) {
    viewer.cleanup();
    viewer.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
  root.replaceChildren();
  root.hidden = true;
}

function scannerWindow(view, { low, high }) {
  const inUnit = (stored) => low + (stored * (high - low)) / 65535;
  return { low: inUnit(view.low), high: inUnit(view.high) };
}

/**
 * Return a stack as NIfTI-1 (unsigned 16 bit): rows from the top, as on the page.
 *
 * Which way the patient lies is not known here, and not shown: the axes are those of the page.
 */
export function asNifti(stack, { slices, rows, columns, spacing, low, high }) {
  const buffer = new ArrayBuffer(HEADER + stack.byteLength);
  const view = new DataView(buffer);
  const float = (at, value) => view.setFloat32(at, value, true);
  const short = (at, value) => view.setInt16(at, value, true);
  view.setInt32(0, 348, true);
  [3, columns, rows, slices, 1, 1, 1, 1].forEach((size, i) => short(40 + 2 * i, size));
  short(70, 512); // uint16
  short(72, 16);
  [1, spacing[2], spacing[1], spacing[0], 1, 1, 1, 1].forEach((size, i) => float(76 + 4 * i, size));
  float(108, HEADER);
  float(112, (high - low) / 65535); // scl_slope
  float(116, low); // scl_inter
  view.setUint8(123, 2); // mm
  short(254, 1); // sform: scanner
  const middle = [columns, rows, slices].map((size) => (size - 1) / 2);
  [[spacing[2], 0, 0, -spacing[2] * middle[0]], [0, -spacing[1], 0, spacing[1] * middle[1]],
    [0, 0, spacing[0], -spacing[0] * middle[2]]].flat()
    .forEach((value, i) => float(280 + 4 * i, value));
  [0x6e, 0x2b, 0x31, 0].forEach((byte, i) => view.setUint8(344 + i, byte)); // "n+1"
  new Uint16Array(buffer, HEADER).set(stack);
  return buffer;
}
