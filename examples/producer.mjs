// Create a task for each line of standard input: `node examples/producer.mjs < orders.txt`.
//
// Run it again after a failure: for a day, a line has the same Idempotency-Key, so no task is created twice.
// It needs Node 20 or newer, and TASKPULSE_URL and TASKPULSE_KEY (scope write) in the environment.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const { TASKPULSE_URL, TASKPULSE_KEY } = process.env;
// Choose a name of your own, so that two producers never have the same keys.
const NAMESPACE = "orders-of-shop-17";
// A 409 means that the first request with the same Idempotency-Key still runs.
const TRY_AGAIN = [408, 409, 429];

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
      if (!TRY_AGAIN.includes(response.status) && response.status < 500) return { status: response.status, text };
      reason = response.status;
      asked = Number(response.headers.get("Retry-After")) || 0;
    } catch (error) {
      reason = error.cause ?? error;
    } finally {
      clearTimeout(timer);
    }
    console.error(`${url}: ${reason}; trying again`);
    await sleep(Math.max(pause, asked) * (1 + Math.random() * 0.2) * 1000);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = line.trim();
  if (!order) continue;
  const task = { title: `Print order ${order}`.slice(0, 200), labels: ["print"], payload: { order } };
  const key = createHash("sha256").update(`${NAMESPACE}\n${order}`).digest("hex");
  const { status, text } = await post("/tasks", task, { "Idempotency-Key": key });
  if (status >= 400) {
    console.error(`${TASKPULSE_URL}/v1/tasks answers ${status}: ${text}`);
    process.exit(1);
  }
  console.log(JSON.parse(text).id);
}
