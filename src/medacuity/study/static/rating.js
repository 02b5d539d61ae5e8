// One rater's way through a study: shows trial after trial, keeps every answer, loses none.

import { Trouble, ask, pause } from "./api.js";
import { connectGestures } from "./gestures.js";
import { connectHelp } from "./help.js";
import { connectKeys } from "./keys.js";
import { Questions } from "./questions.js";
import { Sender, reconcile } from "./sender.js";
import { Stage } from "./stage.js";
import { Trials } from "./trials.js";
import { connectViewing, prepareViewing, showViewing } from "./viewing.js";
import { byId, cover, say, showNetwork, showProgress, tell, uncover } from "./words.js";

const BLANK = 400; // ms between two trials, always: how long loading took tells nothing

/** Runs one rater's session. */
export class Rating {
  constructor(session, outbox) {
    this.study = session.study;
    this.state = session.state;
    this.position = session.state.position;
    this.trial = null;
    this.busy = true;
    this.given = new Map(); // position -> values, to be shown again after an undo
    this.stage = new Stage(byId("stage"), () => this.trial && this.#viewed());
    this.questions = new Questions(byId("questions"), this.study.items, () => this.#answered());
    this.trials = new Trials(this.state.total, (trouble) => this.#starved(trouble));
    this.sender = new Sender(outbox, session, (how) => this.#network(how));
    this.sender.onMoved = (state) => this.#moved(state);
    this.sender.onRefused = (position, message) => this.#refused(position, message);
    this.#connect();
  }

  /** Send what was left over, greet, and begin where the rater stopped. */
  async run() {
    const running = this.sender.run();
    if (!(await this.sender.isEmpty())) {
      cover({ heading: "One moment", text: "Sending the answers of your last visit." });
      await this.sender.emptied();
    }
    this.state = this.sender.state;
    this.position = this.state.position;
    if (!this.#finished) {
      this.trials.get(this.position); // while the rater reads
      await this.#greet();
    }
    await this.show(this.position);
    await running;
  }

  /** Show a trial once all of it is here, never sooner than after the same blank. */
  async show(position) {
    this.busy = true;
    this.position = position;
    this.#leave();
    showProgress(position, this.state);
    if (this.#finished) return this.#finish();
    const [trial] = await Promise.all([this.trials.get(position), pause(BLANK)]);
    if (this.position !== position) return undefined;
    if (position === this.state.training && position > 0 && !this.given.has(position)) {
      await this.#practiceIsOver();
    }
    return this.#open(trial);
  }

  /** Keep the answer on disk, then go on; nothing is sent from here. */
  async next() {
    if (this.busy || !this.trial) return;
    if (!this.stage.allSeen) {
      tell("Please look at both images first.");
      return;
    }
    if (!this.questions.complete) {
      tell("Please answer first.");
      this.questions.focusOpen();
      return;
    }
    this.busy = true;
    const { values } = this.questions;
    const milliseconds = Math.min(86_400_000, Math.round(performance.now() - this.since));
    const event = { event: "answer", trial: this.trial.trial, values, milliseconds };
    await this.#keep(event, this.position);
    this.given.set(this.position, values);
    await this.show(this.position + 1);
  }

  /** Take back the last answer and show its trial again. */
  async undo() {
    if (this.busy || this.position === 0) return;
    this.busy = true;
    const position = this.position - 1;
    const trial = this.trials.peek(position)?.trial ?? this.#undoable();
    if (!trial) {
      this.busy = false;
      tell("The network is needed to go back further.");
      return;
    }
    await this.#keep({ event: "undo", trial }, position);
    tell("Last answer taken back.");
    await this.show(position);
  }

  /** End the session, on a tablet that others use too; what waits stays on it. */
  async #logOut() {
    if (this.waiting && !confirm(`${this.waiting} answers are not sent yet. They stay on this `
      + "device, and are sent when you open your link on it again. Log out?")) return;
    try {
      await ask("/api/session/end", { post: {}, csrf: this.sender.csrf });
      this.waiting = 0;
      location.replace("/join");
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      byId("help").close();
      tell(error.message);
    }
  }

  /** Leave the stage to another tab. */
  stop() {
    this.busy = true;
    this.sender.stopped = true;
    this.waiting = 0;
    this.#leave();
    cover({
      heading: "You continued in another tab",
      text: "This one has stopped. Nothing is lost.",
      button: "Go on here",
    }).then(() => location.reload());
  }

  get #finished() {
    return this.position >= this.state.total;
  }

  #undoable() {
    const { position, undoable } = this.sender.state;
    return position === this.position ? undoable : null;
  }

  async #keep(event, position) {
    this.waiting = (this.waiting ?? 0) + 1; // until the sender says how many
    try {
      await this.sender.keep(event, position);
    } catch {
      cover({
        heading: "This browser cannot keep answers",
        text: "Its storage is full or switched off. Free some space, or use another browser, "
          + "and open your link again. Everything until the last image is saved.",
      });
      throw new Error("the outbox is not writable");
    }
  }

  #connect() {
    const { actions, tool } = connectViewing(this.stage, byId);
    connectGestures(byId("stage"), this.stage, tool);
    const page = {
      next: () => this.next(),
      undo: () => this.undo(),
      volume: () => this.#toggleVolume(),
      help: () => byId("help").showModal(),
      leave: () => this.#logOut(),
    };
    for (const [name, action] of Object.entries(page)) {
      byId(name === "help" ? "help-open" : name).addEventListener("click", action);
    }
    const singleKeys = connectHelp(this.study);
    connectKeys({
      answer: (key) => !this.busy && this.questions.press(key),
      actions: { ...actions, ...page },
      active: () => byId("cover").hidden,
      singleKeys,
    });
    window.addEventListener("beforeunload", (event) => this.waiting && event.preventDefault());
  }

  async #greet() {
    const { position, training, total } = this.state;
    const back = position > 0;
    const practice = training ? ` The first ${training} are practice.` : "";
    await cover({
      heading: back ? "Welcome back" : this.study.title,
      text: this.study.instructions,
      note: back
        ? `You have done ${position} of ${total}. You go on where you stopped.`
        : `${total} ${this.study.layout === "single" ? "images" : "pairs"}.${practice} You can stop at any time and come back.`,
      button: back ? "Go on" : "Begin",
      ramp: true,
    });
  }

  async #practiceIsOver() {
    await cover({
      heading: "Practice is over",
      text: "From here on your answers count. You can take back the last one at any time.",
      button: "Go on",
    });
  }

  #leave() {
    this.trial = null;
    delete document.body.dataset.trial;
    this.stage.clear();
    this.#closeVolume();
    this.questions.enabled = false;
    byId("next").disabled = true;
    byId("viewing").hidden = true;
    byId("hint").hidden = true;
  }

  #open(trial) {
    uncover();
    this.trial = trial;
    const { image, panels } = trial;
    const stored = (value) => (65535 * (value - image.low)) / (image.high - image.low);
    const start = { low: stored(image.window.low), high: stored(image.window.high) };
    const { layout } = this.study;
    byId("viewing").hidden = false;
    this.stage.open(panels, { window: start, first: image.first, flicker: layout === "flicker",
      left: image.left });
    prepareViewing(this.stage, byId, { layout, image });
    byId("volume").hidden = this.study.viewer !== "volume" || image.slices < 2;
    byId("hint").textContent = trial.hint ?? "";
    byId("hint").hidden = !trial.hint;
    this.questions.enabled = true;
    this.questions.reset(this.given.get(trial.position));
    this.questions.focusOpen();
    byId("undo").disabled = trial.position === 0;
    document.body.dataset.trial = trial.position;
    this.since = performance.now();
    this.busy = false;
    this.#viewed();
    say(`${byId("progress-said").textContent}. ${this.study.items[0].question}`);
  }

  #viewed() {
    if (!this.trial) return;
    showViewing(this.stage, byId, this.trial.image);
    this.#answered();
  }

  #answered() {
    byId("next").disabled = this.busy || !this.questions.complete || !this.stage.allSeen;
  }

  async #finish() {
    this.busy = false;
    const thanks = { heading: "Thank you", ramp: false, undo: () => this.undo() };
    if (!(await this.sender.isEmpty())) {
      cover({ ...thanks, text: "Your last answers are being saved. Please keep this page open." });
      await this.sender.emptied();
    }
    if (this.#finished) cover({ ...thanks, text: "All your answers are saved. You can close this page." });
  }

  #network({ waiting, trouble }) {
    this.waiting = waiting;
    showNetwork({ waiting, trouble, ahead: this.trials.ahead });
  }

  #starved(trouble) {
    if (trouble.status === 401) this.#network({ waiting: this.waiting ?? 0, trouble: "session" });
    else if (!this.trials.peek(this.position)?.ready) {
      tell(trouble.status ? trouble.message : "Waiting for the network.");
    }
  }

  /** The server stands elsewhere: another device was first, or an answer was refused. */
  async #moved(state) {
    const { position } = reconcile(state.position, await this.sender.outbox.waiting());
    this.state = { ...this.state, ...state };
    if (position === this.position) return;
    this.given.clear();
    tell("You went on elsewhere; this page follows.");
    await this.show(position);
  }

  #refused(position, message) {
    this.given.delete(position);
    tell(`An answer was not accepted: ${message} It is asked again.`);
    this.show(position);
  }

  async #toggleVolume() {
    if (byId("volume").hidden || !this.trial) return;
    if (this.volume) return this.#closeVolume();
    const { openVolume } = await import("./volume.js");
    this.volume = await openVolume(byId("volumes"), this.trial, this.stage.view);
    byId("stage").hidden = true;
    byId("volume").setAttribute("aria-pressed", "true");
    return undefined;
  }

  #closeVolume() {
    this.volume?.close();
    this.volume = null;
    byId("stage").hidden = false;
    byId("volume").setAttribute("aria-pressed", "false");
  }
}
