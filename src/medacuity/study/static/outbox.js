// The outbox: what a rater has said and the server has not yet confirmed, on the disk of the
// browser. It outlives the tab, the browser and the network.

const NAME = "medacuity-study";

/** Open the outbox of one rater; several raters may share a computer. */
export async function openOutbox(owner) {
  const database = await new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => {
      const store = opening.result.createObjectStore("messages", {
        keyPath: "order",
        autoIncrement: true,
      });
      store.createIndex("owner", "owner");
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  return new Outbox(database, owner);
}

/** Messages in the order in which they were given; they leave only when confirmed. */
class Outbox {
  constructor(database, owner) {
    this.database = database;
    this.owner = owner;
  }

  /** Keep a message; the promise is fulfilled once it is on disk, and not before. */
  async put(message) {
    const row = { owner: this.owner, message };
    const order = await this.#inTransaction("readwrite", (store) => store.add(row));
    return { order, message };
  }

  /** Return what waits, oldest first. */
  async waiting() {
    const rows = await this.#inTransaction("readonly", (store) =>
      store.index("owner").getAll(this.owner),
    );
    return rows.sort((one, other) => one.order - other.order);
  }

  /** Forget messages that the server has confirmed. */
  async drop(orders) {
    await this.#inTransaction("readwrite", (store) => {
      for (const order of orders) store.delete(order);
    });
  }

  #inTransaction(mode, work) {
    return new Promise((resolve, reject) => {
      // "strict": the browser reports completion only after the bytes were flushed to disk.
      const transaction = this.database.transaction("messages", mode, { durability: "strict" });
      const request = work(transaction.objectStore("messages"));
      // Now, rather than when the reply is here: the tab may be gone by then.
      transaction.commit?.();
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}
