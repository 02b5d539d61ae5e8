// The trials around the one on the stage: fetched ahead, so that the page goes on without the
// network, and kept in memory only, because they are patients' images.

import { Trouble, ask, askBytes, pause } from "./api.js";

const AHEAD = 24;
const BEHIND = 2;
const PER_REQUEST = 8;
const MEMORY = 384 * 2 ** 20;

/** Gives a trial once all of its panels are here; fetches the next ones in the meantime. */
export class Trials {
  #known = new Map(); // position -> trial with its panels' images, once loaded
  #position = 0;
  #fetching = false;

  constructor(total, onTrouble) {
    this.total = total;
    this.onTrouble = onTrouble;
  }

  /** Return the trial at a position, as soon as it is whole. */
  async get(position) {
    this.#position = position;
    this.#forget();
    this.#fetchAhead();
    while (!this.#known.get(position)?.ready) {
      await pause(20);
      this.#fetchAhead();
    }
    return this.#known.get(position);
  }

  /** Return a trial that was here before; undefined where it was not. */
  peek(position) {
    return this.#known.get(position);
  }

  /** Forget everything: the server's order of trials is no longer what it was. */
  empty() {
    this.#known.clear();
  }

  /** How many trials after the current one can be shown without the network. */
  get ahead() {
    let count = 0;
    while (this.#known.get(this.#position + count + 1)?.ready) count += 1;
    return count;
  }

  async #fetchAhead() {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      for (let next = this.#next(); next !== null; next = this.#next()) await this.#fetch(next);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.onTrouble(error);
      await pause(Math.max(error.wait, 1000));
    } finally {
      this.#fetching = false;
    }
  }

  /** Return the nearest position that is not here yet; null where nothing more is wanted. */
  #next() {
    for (let position = this.#position; position <= this.#position + AHEAD; position += 1) {
      if (position >= this.total) return null;
      const trial = this.#known.get(position);
      if (!trial || !trial.ready) {
        const room = position === this.#position || this.#bytes() < MEMORY;
        return room && !trial?.withheld ? position : null;
      }
    }
    return null;
  }

  async #fetch(position) {
    if (!this.#known.has(position)) await this.#fetchDescriptions(position);
    const trial = this.#known.get(position);
    if (!trial) {
      // Not given out yet: wait for the server to see the answers before it.
      if (position === this.#position) await pause(500);
      else this.#known.set(position, { withheld: true, ready: false, bytes: 0 });
      return;
    }
    const stacks = await Promise.all(
      trial.panels.map(({ stimulus }) => askBytes(`/api/stimuli/${encodeURIComponent(stimulus)}`)),
    );
    trial.panels = trial.panels.map((panel, index) => ({
      ...panel,
      image: picture(trial.image, stacks[index]),
    }));
    trial.bytes = stacks.reduce((sum, stack) => sum + stack.byteLength, 0);
    trial.ready = true;
  }

  async #fetchDescriptions(position) {
    const { trials } = await ask(`/api/trials?from=${position}&count=${PER_REQUEST}`);
    for (const trial of trials) {
      const known = this.#known.get(trial.position);
      if (!known?.ready) this.#known.set(trial.position, { ...trial, ready: false, bytes: 0 });
    }
  }

  #bytes() {
    return [...this.#known.values()].reduce((sum, trial) => sum + trial.bytes, 0);
  }

  #forget() {
    for (const [position, trial] of this.#known) {
      const behind = position < this.#position - BEHIND;
      if (behind || trial.withheld) this.#known.delete(position);
    }
  }
}

/** Return an image as the stage wants it, from the bytes of a stack of slices. */
function picture({ slices, rows, columns, spacing }, bytes) {
  const size = rows * columns;
  const stack = littleEndian(bytes);
  return {
    width: columns,
    height: rows,
    slices,
    pixel: [spacing[2], spacing[1]],
    numbers: (slice) => stack.subarray(slice * size, (slice + 1) * size),
    stack,
  };
}

function littleEndian(bytes) {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return new Uint16Array(bytes);
  const view = new DataView(bytes);
  return Uint16Array.from({ length: bytes.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
}
