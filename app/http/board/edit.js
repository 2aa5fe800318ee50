// The form that creates or changes a task. A change sends If-Match (RFC 9110, 13.1.1): what others changed is shown first.

import { api } from "./api.js"
import { h, say } from "./dom.js"
import { plain } from "./words.js"

const PRIORITIES = ["low", "normal", "high", "urgent"]

/** Open the form for a task `{ task, etag }`, or for a new one if that is null; `saved` gets the task. */
export function editForm(present, saved) {
  const task = present?.task ?? { priority: "normal", labels: [], payload: {}, max_attempts: 3 }
  let etag = present?.etag
  const problem = h("div", { class: "problem", role: "alert" })
  const inputs = {
    title: h("input", { name: "title", required: true, maxLength: 200, value: task.title ?? "" }),
    description: h("textarea", { name: "description", maxLength: 10000, value: task.description ?? "" }),
    priority: h("select", { name: "priority" }, PRIORITIES.map((each) => h("option", { value: each, selected: each === task.priority }, each))),
    assignee: h("input", { name: "assignee", maxLength: 200, value: task.assignee ?? "" }),
    labels: h("textarea", { name: "labels", value: task.labels.join("\n") }),
    due_at: h("input", { name: "due_at", type: "datetime-local", step: 1, value: localTime(task.due_at) }),
    max_attempts: h("input", { name: "max_attempts", type: "number", min: 1, max: 1000, value: String(task.max_attempts) }),
    payload: h("textarea", { name: "payload", spellcheck: false, value: JSON.stringify(task.payload, null, 2) }),
  }
  const label = (name, words, kind = "") => h("label", { class: kind }, words, inputs[name])
  const dialog = h("dialog", { "aria-labelledby": "edit-title", close: () => dialog.remove() },
    h("h1", { id: "edit-title" }, present ? "Edit the task" : "New task"), problem,
    h("form", { class: "sheet", submit },
      label("title", "Title", "wide"), label("description", "Description", "wide"),
      label("priority", "Priority"), label("assignee", "Assignee"), label("labels", "Labels, one on a line"),
      label("due_at", "Due"), label("max_attempts", "Max attempts"), label("payload", "Payload (JSON)", "wide"),
      h("div", { class: "bar wide" }, h("button", { class: "primary" }, "Save"), h("button", { type: "button", click: () => dialog.close() }, "Back"))))
  document.body.append(dialog)
  dialog.showModal()
  inputs.title.focus()

  function values() {
    const text = (name) => inputs[name].value.trim() || null
    let payload
    try {
      payload = JSON.parse(inputs.payload.value || "{}")
    } catch (error) {
      throw new Error(`The payload is not JSON: ${error.message}`)
    }
    const due = inputs.due_at.value
    return {
      title: inputs.title.value, description: text("description"), priority: inputs.priority.value, assignee: text("assignee"),
      labels: inputs.labels.value.split("\n").map((each) => each.trim()).filter(Boolean),
      due_at: due === localTime(task.due_at) ? task.due_at ?? null : due ? new Date(due).toISOString() : null,
      max_attempts: Number(inputs.max_attempts.value), payload,
    }
  }

  async function submit(event) {
    event.preventDefault()
    problem.replaceChildren()
    let mine
    try {
      mine = values()
      const differs = Object.entries(mine).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(task[name] ?? null))
      if (present && !differs.length) { dialog.close(); return }
      const { data } = present
        ? await api.call("PATCH", `/v1/tasks/${task.id}`, { body: Object.fromEntries(differs), headers: { "If-Match": etag } })
        : await api.call("POST", "/v1/tasks", { body: mine, headers: { "Idempotency-Key": crypto.randomUUID() } })
      say(present ? "The task is changed." : "The task is created.")
      dialog.close()
      saved(data)
    } catch (error) {
      if (error.status === 412) await conflict(mine)
      else problem.replaceChildren(error.message)
    }
  }

  async function conflict(mine) {
    try {
      const now = await api.get(`/v1/tasks/${task.id}`)
      const fields = Object.keys(mine).filter((name) => JSON.stringify(mine[name]) !== JSON.stringify(now.data[name] ?? null))
      etag = now.etag
      Object.assign(task, now.data)
      problem.replaceChildren(
        h("p", {}, "Somebody else has changed the task since you opened it. “Save” now replaces their version by yours."),
        h("table", {}, h("thead", {}, h("tr", {}, ["Field", "Theirs", "Yours"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", {}, fields.map((name) => h("tr", {}, h("td", {}, name), h("td", {}, plain(now.data[name])), h("td", {}, plain(mine[name])))))))
    } catch (error) {
      problem.replaceChildren(error.message)
    }
  }
}

function localTime(time) {
  if (!time) return ""
  const date = new Date(time)
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19)
}
