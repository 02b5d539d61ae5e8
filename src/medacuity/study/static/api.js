// Talking to the server: one way to ask, one kind of trouble.

const PATIENCE = 15_000;

/** What the server refused (`status` 400 and more), or that it did not answer (`status` 0). */
export class Trouble extends Error {
  constructor(status, body = {}, wait = 0) {
    super(body.message ?? "The server does not answer.");
    this.status = status;
    this.body = body;
    this.wait = wait;
  }
}

/** Ask for JSON; the reply is JSON too, or null where there is none to give. */
export async function ask(path, { post, csrf, patience = PATIENCE } = {}) {
  const reply = await request(path, { post, csrf, patience });
  return reply.status === 204 ? null : whole(() => reply.json());
}

/** Fetch bytes. */
export async function askBytes(path, { patience = 10 * PATIENCE } = {}) {
  const reply = await request(path, { patience });
  return whole(() => reply.arrayBuffer());
}

/** Wait, or until the browser says that the network is back. */
export function pause(milliseconds) {
  return new Promise((resolve) => {
    const end = () => {
      window.removeEventListener("online", end);
      resolve();
    };
    setTimeout(end, milliseconds);
    window.addEventListener("online", end);
  });
}

async function request(path, { post, csrf, patience }) {
  const options = { cache: "no-store", signal: AbortSignal.timeout(patience) };
  if (post !== undefined) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json" };
    if (csrf) options.headers["X-CSRF-Token"] = csrf;
    options.body = JSON.stringify(post);
  }
  const reply = await whole(() => fetch(path, options));
  if (reply.ok) return reply;
  const body = await reply.json().catch(() => ({}));
  throw new Trouble(reply.status, body, 1000 * Number(reply.headers.get("Retry-After") ?? 0));
}

/** A reply that breaks off half-way is no reply. */
async function whole(work) {
  try {
    return await work();
  } catch {
    throw new Trouble(0);
  }
}
