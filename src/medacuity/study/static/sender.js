// The sender: carries what lies in the outbox to the server, one event at a time and in order.
//
// An event leaves the outbox only when the server has said that it is on disk. Each has a key of
// its own, so that sending it twice counts once.

import { Trouble, ask, pause } from "./api.js";

const PAUSES = [1000, 2000, 4000, 8000, 15_000];

/** Sends as long as the page lives; `tell({waiting, trouble})` hears how it goes. */
export class Sender {
  #wake = () => {};
  #poked = null;
  #failures = 0;
  #trouble = null;

  constructor(outbox, session, tell) {
    this.outbox = outbox;
    this.csrf = session.csrf;
    this.state = session.state;
    this.tell = tell;
    this.stopped = false;
    this.onMoved = () => {};
    this.onRefused = () => {};
  }

  /** Keep an event on disk; it is sent as soon as that is possible. */
  async keep(event, position) {
    await this.outbox.put({ position, event: { key: newKey(), ...event } });
    this.#wake();
    await this.#report();
  }

  /** Send until stopped. */
  async run() {
    while (!this.stopped) {
      this.#poked = new Promise((resolve) => (this.#wake = resolve));
      const waiting = await this.#report();
      if (waiting.length > 0) await this.#send(waiting);
      else await this.#poked;
    }
  }

  /** Whether everything is confirmed. */
  async isEmpty() {
    return (await this.outbox.waiting()).length === 0;
  }

  /** Wait until everything is confirmed. */
  async emptied() {
    while (!(await this.isEmpty())) await pause(100);
  }

  async #send(waiting) {
    const [{ order, message }] = waiting;
    try {
      const post = { ...message.event, sequence: this.state.sequence + 1 };
      const reply = await ask("/api/events", { post, csrf: this.csrf });
      await this.outbox.drop([order]);
      this.state = reply.state;
      this.#failures = 0;
      this.#trouble = null;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      await this.#mend(error, waiting);
    }
  }

  async #mend(trouble, waiting) {
    if (trouble.status === 409 && trouble.body.state) await this.#follow(trouble.body.state, waiting);
    else if ([400, 413, 415].includes(trouble.status)) await this.#giveUp(waiting[0], trouble);
    else if (trouble.status === 403 && (await this.#renewed())) return;
    else await this.#waitFor(trouble);
  }

  /** The server is somewhere else: take its word, and keep what still fits. */
  async #follow(state, waiting) {
    this.state = state;
    const { outdated } = reconcile(state.position, waiting);
    await this.outbox.drop(outdated);
    this.onMoved(state);
  }

  async #giveUp({ order, message }, trouble) {
    await this.outbox.drop([order]);
    this.onRefused(message.position, trouble.message);
  }

  async #renewed() {
    try {
      const session = await ask("/api/session");
      const changed = session.csrf !== this.csrf;
      this.csrf = session.csrf;
      return changed;
    } catch {
      return false;
    }
  }

  /** Wait before the next try; the rater's next answer is a reason to try at once. */
  async #waitFor(trouble) {
    this.#trouble = trouble.status === 401 ? "session" : trouble.status ? "busy" : "offline";
    await this.#report();
    const growing = PAUSES[Math.min(this.#failures, PAUSES.length - 1)];
    this.#failures += 1;
    if (trouble.wait) await pause(trouble.wait);
    else await Promise.race([pause(growing), this.#poked]);
  }

  /** Say how many events wait, and why; return them. */
  async #report() {
    const waiting = await this.outbox.waiting();
    this.tell({ waiting: waiting.length, trouble: waiting.length ? this.#trouble : null });
    return waiting;
  }
}

/**
 * Find which events no longer fit a rater's true position, and where the others lead.
 *
 * An answer fits where the rater stands, an undo one trial before.
 */
export function reconcile(position, waiting) {
  const outdated = [];
  for (const { order, message } of waiting) {
    const step = message.event.event === "undo" ? -1 : 1;
    const expected = step === 1 ? position : position - 1;
    if (message.position === expected) position += step;
    else outdated.push(order);
  }
  return { position, outdated };
}

/** Return a random UUID (version 4); `crypto.randomUUID` needs TLS, which a test server lacks. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
