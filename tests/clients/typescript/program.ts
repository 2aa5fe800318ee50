// What a program does with the client that @hey-api/openapi-ts makes: `program.ts URL KEY`.

import assert from 'node:assert/strict';
import { client } from './generated/client.gen.ts';
import {
  claimTasks, completeTask, createTask, getTaskHistory, listTasks, pulseTask, streamEvents, updateTask,
} from './generated/sdk.gen.ts';
import type { Task, TaskEvent } from './generated/types.gen.ts';

const TASKS = 7;

/** Create tasks; the same key gives the same task. */
async function create(): Promise<Task[]> {
  const made: Task[] = [];
  for (let number = 0; number < TASKS; number += 1) {
    const options = {
      body: { title: `Task ${number}`, priority: 'high' as const, labels: ['client'] },
      headers: { 'Idempotency-Key': `typescript-${number}` },
      throwOnError: true as const,
    };
    const first = await createTask(options);
    const again = await createTask(options);
    assert.equal(first.data.id, again.data.id);
    made.push(first.data);
  }
  return made;
}

/** Yield all tasks of all pages. */
async function* walk(): AsyncGenerator<Task> {
  let cursor: string | undefined;
  do {
    const { data } = await listTasks({
      query: { status: ['open'], overdue: false, count: true, limit: 2, ...(cursor ? { cursor } : {}) },
      throwOnError: true,
    });
    yield* data.items;
    cursor = data.next_cursor ?? undefined;
  } while (cursor !== undefined);
}

/** Change a task, then be refused, as another version was meant. */
async function change(task: Task): Promise<void> {
  const path = { task_id: task.id };
  const headers = { 'If-Match': `"${task.version}"` };
  const first = await updateTask({ path, headers, body: { assignee: 'ada' }, throwOnError: true });
  assert.equal(first.response.headers.get('etag'), `"${first.data.version}"`);
  const second = await updateTask({ path, headers, body: { assignee: 'grace' } });
  assert.equal(second.error?.type, '/problems/precondition-failed');
  assert.equal(second.response?.status, 412);
}

/** Claim a task, send a pulse and complete it. */
async function work(): Promise<Task> {
  const { data: claimed } = await claimTasks({
    body: { worker: 'typescript', ttl_s: 60, labels: ['client'] },
    throwOnError: true,
  });
  const item = claimed?.items[0];
  assert.ok(item);
  const path = { task_id: item.task.id };
  const token = item.lease.token;
  const beat = await pulseTask({ path, body: { token, progress: 50 }, throwOnError: true });
  assert.equal(beat.data.cancel_requested, false);
  const done = await completeTask({ path, body: { token, result: { rows: 3 } }, throwOnError: true });
  assert.equal(done.data.status, 'done');
  return done.data;
}

/** Return the events until a task is completed. */
async function follow(): Promise<TaskEvent[]> {
  const seen: TaskEvent[] = [];
  const connection = new AbortController();
  const { stream } = await streamEvents({ query: { after: '0' }, signal: connection.signal });
  for await (const event of stream) {
    assert.ok(typeof event !== 'string');
    seen.push(event);
    if (event.action === 'completed') break;
  }
  connection.abort(); // the generated client leaves it open
  return seen;
}

const [url, key] = process.argv.slice(2);
assert.ok(url && key);
client.setConfig({ baseUrl: url, auth: key });
const following = follow();
const made = await create();
const listed = new Set<string>();
for await (const task of walk()) listed.add(task.id);
assert.ok(made.every((task) => listed.has(task.id)));
const [task] = made;
assert.ok(task);
await change(task);
const done = await work();
const actions = new Set((await following).map((event) => event.action));
assert.deepEqual([...actions].sort(), ['claimed', 'completed', 'created', 'updated']);
const history = await getTaskHistory({ path: { task_id: done.id }, throwOnError: true });
const after = history.data.items.at(-1)?.after;
assert.deepEqual([after?.status, after?.result], ['done', { rows: 3 }]);
