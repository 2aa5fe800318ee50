// One task: its fields, who holds it, what happened to it, and what can be done.

import { api } from "./api.js"
import { confirm } from "./confirm.js"
import { h, say, setText } from "./dom.js"
import { editForm } from "./edit.js"
import { Pace } from "./pace.js"
import { timeline } from "./timeline.js"
import { STATUS, distance, moment, plain } from "./words.js"

const TIMES = new Set(["due_at", "run_after", "claimable_at", "created_at", "updated_at", "finished_at"])
const FIELDS = {
  status: "Status", priority: "Priority", assignee: "Assignee", labels: "Labels", due_at: "Due", run_after: "Not before",
  claimable_at: "Can be claimed", attempts: "Failed attempts", max_attempts: "Max attempts", unique_key: "Unique key",
  created_at: "Created", updated_at: "Changed", finished_at: "Finished", id: "Id",
}
const FINISHED = ["done", "cancelled", "failed"]

/** Open the dialog of a task; `closed` is called when the reader closes it. */
export function showTask(id, closed, go) {
  const title = h("h1", { id: "task-title" }, "…")
  const problem = h("p", { class: "problem", role: "alert" })
  const buttons = h("div", { class: "bar" })
  const fields = h("dl")
  const description = h("p")
  const lease = h("section", { "aria-label": "Lease" })
  const bodies = h("div")
  const past = timeline(id)
  let byReader = true
  const dialog = h("dialog", { "aria-labelledby": "task-title", class: "task", close: () => { stop(); dialog.remove(); if (byReader) closed() } },
    h("header", {}, title, h("button", { type: "button", click: () => dialog.close() }, "Close")),
    problem, buttons, description, fields, lease, bodies, h("h2", {}, "History"), past.list)
  document.body.append(dialog)
  dialog.showModal()
  let task = null
  let etag = null

  const reading = new Pace(async () => {
    ;({ data: task, etag } = await api.get(`/v1/tasks/${encodeURIComponent(id)}`))
    const held = task.status === "in_progress" ? await api.get(`/v1/tasks/${id}/lease`).catch(gone) : null
    draw(held?.data ?? null)
    await past.read()
  }, { leastMs: 1000, onError: failed })

  function gone(error) {
    if (error.status !== 404) throw error
    return null
  }

  function failed(error) {
    setText(problem, !error ? "" : error.status === 404 ? "There is no such task: it was deleted, or the address is wrong." : error.message)
    if (error?.status === 404) { buttons.replaceChildren(); past.read().catch(() => {}) }
  }

  async function attempt(work) {
    try {
      await work()
    } catch (error) {
      say(error.message)
    }
    reading.soon()
  }

  function draw(held) {
    setText(title, task.title)
    setText(description, task.description ?? "")
    fields.replaceChildren(...Object.entries(FIELDS).filter(([name]) => plain(task[name]) !== "none" && plain(task[name]) !== "[]").flatMap(([name, words]) =>
      [h("dt", {}, words), h("dd", {}, shown(name, task[name]))]))
    lease.replaceChildren(...(held ? [h("h2", {}, "Lease"), h("dl", {},
      h("dt", {}, "Worker"), h("dd", {}, held.worker), h("dt", {}, "Last pulse"), h("dd", {}, distance(held.pulsed_at)),
      h("dt", {}, "Ends"), h("dd", {}, distance(held.expires_at)), h("dt", {}, "Attempt"), h("dd", {}, `${held.attempt} of ${task.max_attempts}`),
      held.note ? [h("dt", {}, "Note"), h("dd", {}, held.note)] : [])] : []))
    const texts = JSON.stringify([task.payload, task.result])
    if (bodies.shows !== texts) bodies.replaceChildren(...[["Payload", task.payload], ["Result", task.result]]
      .filter(([, value]) => value && Object.keys(value).length)
      .map(([name, value]) => h("details", {}, h("summary", {}, name), h("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2)))))
    bodies.shows = texts
    drawButtons()
  }

  function drawButtons() {
    const finished = FINISHED.includes(task.status)
    const wanted = [
      api.may("write") && ["Edit", "", () => editForm({ task, etag }, () => reading.soon())],
      api.may("work") && task.status !== "open" && ["Requeue", "", () => attempt(() => post("requeue"))],
      api.may("write") && !finished && ["Cancel", "", () => attempt(() => api.call("PATCH", `/v1/tasks/${id}`, { body: { status: "cancelled" } }))],
      api.may("write") && ["Delete", "danger", () => attempt(remove)],
    ].filter(Boolean)
    const key = wanted.map(([name]) => name).join()
    if (buttons.shows === key && buttons.children.length) return
    buttons.shows = key
    buttons.replaceChildren(...wanted.map(([name, kind, click]) => h("button", { type: "button", class: kind, click }, name)))
  }

  const post = (action) => api.call("POST", `/v1/tasks/${id}/${action}`, { body: {}, headers: { "Idempotency-Key": crypto.randomUUID() } })

  async function remove() {
    if (!await confirm("Delete this task?", "It is deleted for good; its history stays.", "Delete", true)) return
    await api.call("DELETE", `/v1/tasks/${id}`, { headers: { "If-Match": etag } })
    say("The task is deleted.")
    dialog.close()
  }

  function stop() { reading.stop() }

  return {
    change(event) { if (event.task_id === id) reading.soon() },
    reset() { reading.soon() },
    close() { byReader = false; dialog.close() },
  }
}

function shown(name, value) {
  if (name === "status") return h("span", { class: `status ${value}` }, STATUS[value])
  if (name === "labels") return value.map((label) => h("span", { class: "tag" }, label))
  if (TIMES.has(name)) return h("time", { dateTime: value, title: value }, `${moment(value)} (${distance(value)})`)
  return plain(value)
}
