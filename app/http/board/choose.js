// A selection of tasks, and what can be done to all of them: to those on the page, or to all that match.

import { api } from "./api.js"
import { confirm } from "./confirm.js"
import { h, say, setText } from "./dom.js"
import { tasks } from "./words.js"

const MOST = 1000 // ids in a call
const ACTIONS = { requeue: ["Requeue", "work", "requeued"], cancel: ["Cancel", "write", "cancelled"], delete: ["Delete", "write", "deleted"] }

/** Keep a selection among `items()`; `filter` is what all tasks of the list match, and `done` is called after a change. */
export function selection(filter, items, done) {
  const ids = new Set()
  const offered = Object.values(ACTIONS).some(([, scope]) => api.may(scope))
  const whole = Object.keys(filter).length > 0
  let everything = false

  const words = h("span")
  const all = h("input", { type: "checkbox", "aria-label": "Select all on this page", hidden: !offered, change: () => {
    everything = false
    for (const task of items()) all.checked ? ids.add(task.id) : ids.delete(task.id)
    done()
  } })
  const match = h("button", { type: "button", class: "link", hidden: true, click: () => { everything = true; draw() } }, "Select all that match")
  const buttons = Object.entries(ACTIONS).filter(([, [, scope]]) => api.may(scope)).map(([action, [title]]) =>
    h("button", { type: "button", class: action === "delete" ? "danger" : "", click: () => act(action) }, title))
  const bar = h("div", { class: "bar", hidden: true }, words, match, buttons)

  function draw() {
    const present = items()
    bar.hidden = ids.size === 0
    all.checked = present.length > 0 && present.every((task) => ids.has(task.id))
    setText(words, everything ? "All tasks that match are selected." : `${tasks(ids.size)} selected.`)
    match.hidden = everything || !whole || !all.checked
  }

  const call = (action, body) => api.call("POST", `/v1/tasks/${action}`, { body, headers: { "Idempotency-Key": crypto.randomUUID() } })

  async function act(action) {
    const [title, , participle] = ACTIONS[action]
    const choices = everything ? [{ filter }] : parts([...ids]).map((some) => ({ ids: some }))
    try {
      const would = { changed: 0, skipped: 0, more: false }
      for (const choice of choices) {
        const { data } = await call(action, { ...choice, dry_run: true })
        would.changed += data.changed
        would.skipped += data.skipped
        would.more = data.more
      }
      if (!would.changed) { say(`Nothing to do: none of them can be ${participle}.`); return }
      const number = would.more ? `more than ${tasks(would.changed)}` : tasks(would.changed)
      const skipped = would.skipped ? ` ${tasks(would.skipped)} would stay as they are.` : ""
      if (!await confirm(`${title} ${number}?`, `${action === "delete" ? "They are deleted for good." : ""}${skipped}`, title, action === "delete")) return
      let changed = 0
      for (const choice of choices) {
        for (let more = true; more;) {
          const { data } = await call(action, choice)
          changed += data.changed
          more = everything && data.more
          say(`${tasks(changed)} ${participle} so far…`)
        }
      }
      say(`${tasks(changed)} ${participle}.`)
      ids.clear()
      everything = false
    } catch (error) {
      say(error.message)
    }
    done()
  }

  return { bar, all, draw, offered, has: (id) => ids.has(id), set(id, on) { everything = false; on ? ids.add(id) : ids.delete(id); draw() } }
}

function parts(ids) {
  return Array.from({ length: Math.ceil(ids.length / MOST) }, (_, at) => ids.slice(at * MOST, (at + 1) * MOST))
}
