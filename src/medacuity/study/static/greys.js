// From the numbers of a slice to the greys of a screen.

/**
 * Draw a slice's numbers through a window: `low` becomes black, `high` white.
 *
 * The table has one entry per possible number, so that a change of the window costs one
 * look-up per pixel, whatever the window is.
 */
export function drawGreys(canvas, { numbers, width, height }, { low, high }) {
  const context = canvas.getContext("2d", { alpha: false });
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const picture = context.createImageData(width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  const table = greyTable(low, high);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[numbers[i]];
  context.putImageData(picture, 0, 0);
}

/** Return the opaque grey for each of the 65536 numbers, as one little-endian RGBA word. */
export function greyTable(low, high) {
  const table = new Uint32Array(65536);
  const slope = 255 / Math.max(high - low, 1e-6);
  for (let number = 0; number < 65536; number += 1) {
    const grey = Math.min(255, Math.max(0, Math.round((number - low) * slope)));
    table[number] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}
