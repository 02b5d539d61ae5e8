// The rating page begins: a session, an outbox, one tab.

import { Trouble, ask, pause } from "./api.js";
import { openOutbox } from "./outbox.js";
import { Rating } from "./rating.js";
import { cover, stayAlone } from "./words.js";

/** Ask until there is an answer; without a session the page of the invitation is the way in. */
async function begin() {
  for (;;) {
    try {
      return await ask("/api/session");
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (error.status === 401) return location.replace("/join");
      cover({ heading: "Waiting for the server", text: "The page goes on by itself." });
      await pause(Math.max(error.wait, 2000));
    }
  }
}

const session = await begin();
if (session) {
  document.body.dataset.items = session.study.items.length > 1 ? "many" : "one";
  document.body.dataset.layout = session.study.layout;
  const { lost } = await stayAlone(session.rater);
  const outbox = await openOutbox(session.rater).catch(() => null);
  if (outbox) {
    const rating = new Rating(session, outbox);
    lost.then(() => rating.stop());
    await rating.run();
  } else {
    cover({
      heading: "This browser cannot keep answers",
      text: "Its storage is switched off or full. Please use another browser or a normal window.",
    });
  }
}
