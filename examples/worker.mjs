// Work on tasks with the label `print` until SIGTERM. Needs Node 20, TASKPULSE_URL and TASKPULSE_KEY (scope work).

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const { TASKPULSE_URL, TASKPULSE_KEY, TTL_S = "60" } = process.env;
const CLAIM = { worker: `printer-${process.pid}`, ttl_s: Number(TTL_S), labels: ["print"] };
let stop = false;
process.on("SIGTERM", () => (stop = true)); // a claim that waits ends within 20 seconds

// Put your work here. It may run twice; it ends early when `signal` says so.
async function doWork(payload, signal) {
  await sleep((payload.seconds ?? 0) * 1000, undefined, { signal });
  if (payload.order === undefined) throw new Error("the payload has no order");
  return { printed: payload.order };
}

// Call until there is an answer that would stay the same; the pauses between grow.
async function post(path, body, headers = {}) {
  const url = `${TASKPULSE_URL}/v1${path}`;
  for (let pause = 0.5; ; pause = Math.min(pause * 2, 10)) {
    let reason, asked = 0;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error("no answer within 30 s")), 30_000);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { Authorization: `Bearer ${TASKPULSE_KEY}`, "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
        signal: late.signal,
      });
      const text = await response.text();
      reason = response.status;
      if (![408, 429].includes(reason) && reason < 500) return { status: reason, body: text ? JSON.parse(text) : {} };
      asked = Number(response.headers.get("Retry-After")) || 0;
    } catch (error) {
      reason = error.cause ?? error;
    } finally {
      clearTimeout(timer);
    }
    console.error(`${url}: ${reason}; trying again`);
    await sleep(Math.max(pause, asked) * (1 + Math.random() * 0.2) * 1000);
    if (stop && path === "/tasks/claim") process.exit(0); // nothing is held, so nothing is left to report
  }
}

// Do one task, send heartbeats meanwhile, and report how it ended.
async function handle(task, payload, { token, pulse_every_s }) {
  const stopped = new AbortController();
  let calling = false;
  const heartbeats = setInterval(async () => {
    if (calling) return;
    calling = true;
    const { status, body } = await post(`${task}/pulse`, { token });
    if (status === 409 || body.cancel_requested) stopped.abort(); // another worker has it, or it is cancelled
    calling = false;
  }, pulse_every_s * 1000);
  const [call, end] = await doWork(payload, stopped.signal).then(
    (result) => ["complete", { result }],
    (error) => ["fail", { error: String(error) }],
  );
  clearInterval(heartbeats);
  const { status } = await post(`${task}/${call}`, { token, ...end });
  console.log(task, call, status);
}

while (!stop) {
  // where an answer is lost, the same Idempotency-Key gets the same task
  const once = { Prefer: "wait=20", "Idempotency-Key": randomUUID() };
  const { status, body } = await post("/tasks/claim", CLAIM, once);
  if (status >= 400) {
    console.error(`${TASKPULSE_URL}/v1/tasks/claim answers ${status}: ${body.detail}`);
    process.exit(1);
  }
  for (const { task: { id, payload }, lease } of body.items ?? []) {
    if (stop) await post(`/tasks/${id}/release`, { token: lease.token });
    else await handle(`/tasks/${id}`, payload, lease);
  }
}
