// The stage: the panels of a trial, all looking at the same slice, window, zoom and place.

import { drawGreys } from "./greys.js";

const ZOOM = { least: 0.5, most: 16 };
const SIDES = { A: "Ant", P: "Post", S: "Sup", I: "Inf" }; // panels are called A and B, too

/** Shows images; knows nothing of questions, files or the network. */
export class Stage {
  #root;
  #panels = [];
  #start = null;
  #waiting = false;

  constructor(root, onChange) {
    this.#root = root;
    this.onChange = onChange;
    this.view = null;
    this.flickering = false;
    this.shown = 0;
    this.smooth = true;
    new ResizeObserver(() => this.#arrange()).observe(root);
  }

  /**
   * Show images side by side, all at once.
   *
   * Each panel is `{label, image}`; an image has `width`, `height`, `slices`, `pixel` (its size
   * in mm, width and height), and `numbers(k)`. `first` and `window` are where all of them start;
   * `left` is a letter for the side of the patient at the left edge.
   */
  open(panels, { window, first, left = "", flicker = false }) {
    this.#panels = panels.map((panel, index) => this.#makePanel(panel, index, left));
    this.#root.replaceChildren(...this.#panels.map((panel) => panel.figure));
    this.slices = Math.max(...panels.map(({ image }) => image.slices));
    this.#start = { slice: first, ...window, zoom: 1, x: 0.5, y: 0.5 };
    this.view = { ...this.#start };
    this.flickering = flicker && panels.length > 1;
    this.shown = 0;
    this.seen = new Set();
    this.#arrange();
  }

  /** Whether every image was on the screen: with flicker, one can be missed. */
  get allSeen() {
    return this.#panels.every((_, index) => this.seen.has(index));
  }

  /** Take everything away, so that nothing is seen of a trial that is over. */
  clear() {
    this.#panels = [];
    this.view = null;
    this.#root.replaceChildren();
  }

  get labels() {
    return this.#panels.map((panel) => panel.label);
  }

  /** Go to a slice; there is none before the first or after the last. */
  goTo(slice) {
    this.#change({ slice: Math.min(this.slices - 1, Math.max(0, Math.round(slice))) });
  }

  scroll(by) {
    if (this.view) this.goTo(this.view.slice + by);
  }

  /** Shift the window by parts of its width, and make it wider or narrower by a factor. */
  adjustWindow(shift, factor) {
    if (!this.view) return;
    const { low, high } = this.view;
    const { low: first, high: last } = this.#start;
    const width = Math.min(16 * (last - first), Math.max((high - low) * factor, 1));
    const centre = (low + high) / 2 + shift * (high - low);
    const bounded = Math.min(65535, Math.max(0, centre));
    this.#change({ low: bounded - width / 2, high: bounded + width / 2 });
  }

  /** Zoom by a factor; the point at `at` (parts of a panel, 0.5 its middle) stays in place. */
  zoomBy(factor, at = { x: 0.5, y: 0.5 }, panel = 0) {
    if (!this.view) return;
    const zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, this.view.zoom * factor));
    const { width, height } = this.#shares(panel);
    const moved = 1 / this.view.zoom - 1 / zoom;
    this.#change({
      zoom,
      x: within(this.view.x + (at.x - 0.5) * moved * width),
      y: within(this.view.y + (at.y - 0.5) * moved * height),
    });
  }

  /** Move the image by parts of a panel's width and height. */
  panBy(right, down, panel = 0) {
    if (!this.view) return;
    const { width, height } = this.#shares(panel);
    this.#change({
      x: within(this.view.x - (right * width) / this.view.zoom),
      y: within(this.view.y - (down * height) / this.view.zoom),
    });
  }

  /** Look as at the start: window, zoom, place; the slice stays. */
  reset() {
    if (this.view) this.#change({ ...this.#start, slice: this.view.slice });
  }

  /** Show the next image in the same place; the first call leaves side by side. */
  flip() {
    if (this.#panels.length < 2) return;
    if (this.flickering) this.shown = (this.shown + 1) % this.#panels.length;
    this.flickering = true;
    this.#arrange();
  }

  setFlicker(on) {
    this.flickering = on && this.#panels.length > 1;
    this.#arrange();
  }

  setSmooth(on) {
    this.smooth = on;
    this.#change({});
  }

  #change(part) {
    if (!this.view) return;
    this.view = { ...this.view, ...part };
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#draw();
    });
  }

  #makePanel({ label, image }, index, left) {
    const canvas = document.createElement("canvas");
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    figure.dataset.panel = index;
    canvas.setAttribute("role", "img");
    caption.setAttribute("aria-hidden", "true");
    caption.textContent = label;
    caption.hidden = !label;
    figure.append(canvas, caption);
    if (left) {
      const side = document.createElement("span");
      side.className = "side";
      side.setAttribute("aria-hidden", "true");
      side.textContent = SIDES[left] ?? left;
      figure.append(side);
    }
    return { label, image, canvas, figure, greys: document.createElement("canvas") };
  }

  /** Show all panels side by side, or the one whose turn it is. */
  #arrange() {
    if (!this.view) return;
    for (const [index, { figure }] of this.#panels.entries()) {
      figure.hidden = this.flickering && index !== this.shown;
      if (!figure.hidden) this.seen.add(index);
    }
    this.#draw();
  }

  #draw() {
    if (!this.view) return;
    for (const panel of this.#panels) {
      this.#describe(panel);
      if (!panel.figure.hidden) this.#drawPanel(panel);
    }
    this.onChange(this);
  }

  #describe({ canvas, label, image }) {
    const slice = image.slices > 1 ? `, slice ${this.view.slice + 1} of ${image.slices}` : "";
    canvas.setAttribute("aria-label", `${label || "Image"}${slice}`);
  }

  #drawPanel({ canvas, image, greys }) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const slice = Math.min(this.view.slice, image.slices - 1);
    const { width, height } = image;
    const picture = { numbers: image.numbers(slice), width, height };
    drawGreys(greys, picture, this.view);
    const scale = fit(canvas, image) * this.view.zoom;
    const { across, down } = extent(image);
    const context = canvas.getContext("2d", { alpha: false });
    context.imageSmoothingEnabled = this.smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(
      greys,
      canvas.width / 2 - this.view.x * across * scale,
      canvas.height / 2 - this.view.y * down * scale,
      across * scale,
      down * scale,
    );
  }

  /** Return a panel's size in parts of the image's size, at zoom 1. */
  #shares(index) {
    const { canvas, image } = this.#panels[this.flickering ? this.shown : index];
    const { across, down } = extent(image);
    const scale = fit(canvas, image);
    return { width: canvas.width / (across * scale), height: canvas.height / (down * scale) };
  }
}

function extent({ width, height, pixel }) {
  return { across: width * pixel[0], down: height * pixel[1] };
}

function fit(canvas, image) {
  const { across, down } = extent(image);
  return Math.min(canvas.width / across, canvas.height / down);
}

function within(part) {
  return Math.min(1, Math.max(0, part));
}
