// The tasks that match some filters, a page at a time. The address holds the filters, so that a view can be sent.

import { api } from "./api.js"
import { selection } from "./choose.js"
import { h, setText, sync } from "./dom.js"
import { editForm } from "./edit.js"
import { Pace, perFrame } from "./pace.js"
import { STATUS, distance, moment } from "./words.js"

const PAGE = 50
const FILTERS = ["q", "status", "priority", "label", "assignee", "lease", "overdue", "ready"]
const PRIORITIES = ["urgent", "high", "normal", "low"]
const SORTS = {
  "-created_at": "newest first", created_at: "oldest first", "-updated_at": "last changed first",
  due_at: "due first", "-priority": "most urgent first",
}

/** Show the view; returns what the page needs to keep it live. */
export function listView(content, query, go) {
  const problem = h("p", { class: "problem", role: "alert" })
  const body = h("tbody")
  const empty = h("p", { class: "empty" }, "Loading…")
  const more = h("button", { type: "button", hidden: true, click: () => loadMore() }, "Show more")
  const stale = h("button", { type: "button", hidden: true, click: () => { items = []; pages = 1; first.soon() } }, "Tasks have changed. Show the present list")
  const create = h("button", { type: "button", class: "primary", hidden: !api.may("write"), click: () => editForm(null, (task) => go({ task: task.id })) }, "New task")
  let items = []
  let next = null
  let pages = 1

  const chosen = selection(filterOf(query), () => items, () => { draw(); first.soon() })
  content.append(h("div", { class: "bar" }, h("h1", {}, "Tasks"), create), filterForm(query, go), problem, chosen.bar,
    h("table", {}, h("thead", {}, h("tr", {}, [chosen.all, "Task", "Status", "Priority", "Labels", "Assignee", "Changed", "Due"].map((name) => h("th", { scope: "col" }, name)))), body),
    empty, h("div", { class: "bar" }, stale, more))

  const address = (cursor) => {
    const asked = new URLSearchParams(query)
    asked.delete("view")
    asked.set("limit", PAGE)
    if (cursor) asked.set("cursor", cursor)
    return `/v1/tasks?${asked}`
  }
  const draw = perFrame(() => {
    sync(body, items, (task) => task.id, (task) => makeRow(task, chosen, go), (row, task) => drawRow(row, task, chosen))
    setText(empty, items.length ? "" : "No task matches.")
    empty.hidden = items.length > 0
    more.hidden = next === null
    chosen.draw()
  })
  const first = new Pace(async () => {
    if (pages > 1) { stale.hidden = false; return }
    stale.hidden = true
    const { data } = await api.get(address(null))
    if (pages > 1) return
    items = data.items
    next = data.next_cursor
    draw()
  }, { leastMs: 500, onError: (error) => { setText(problem, error ? error.message : ""); if (error) setText(empty, "") } })

  async function loadMore() {
    more.disabled = true
    try {
      const { data } = await api.get(address(next))
      pages += 1
      const known = new Set(items.map((task) => task.id))
      items = [...items, ...data.items.filter((task) => !known.has(task.id))]
      next = data.next_cursor
      draw()
    } catch (error) {
      setText(problem, error.message)
    } finally {
      more.disabled = false
    }
  }

  return {
    change({ task_id, action, after }) {
      const known = items.find((task) => task.id === task_id)
      if (known && action === "deleted") items = items.filter((task) => task !== known)
      else if (known) Object.assign(known, after, { updated_at: new Date().toISOString() })
      else if (after && action === "created" && pages === 1 && shows(query, after)) items = [after, ...items].slice(0, PAGE)
      draw()
      first.soon()
    },
    reset() { first.soon() },
    stop() { first.stop() },
  }
}

/** Whether a new task comes first in the list, as far as its fields tell; else the service is asked. */
function shows(query, task) {
  const names = [...query.keys()].filter((name) => name !== "view")
  return names.every((name) => ["status", "priority", "assignee", "label"].includes(name)
    && [task[name] ?? task[`${name}s`]].flat().some((value) => query.getAll(name).includes(value)))
}

/** The filters of a query as POST /v1/tasks/requeue and its like take them. */
function filterOf(query) {
  const filter = {}
  for (const name of FILTERS) {
    const values = query.getAll(name)
    if (!values.length) continue
    if (["overdue", "ready"].includes(name)) filter[name] = values[0] === "true"
    else filter[name] = ["q", "lease"].includes(name) ? values[0] : values
  }
  return filter
}

function filterForm(query, go) {
  const pick = (name, title, options) => h("label", {}, title, h("select", { name, change },
    h("option", { value: "" }, "any"), Object.entries(options).map(([value, text]) => h("option", { value, selected: query.get(name) === value }, text))))
  const type = (name, title, maxLength, kind = "text") => h("label", {}, title, h("input", { name, type: kind, maxLength, value: query.get(name) ?? "", change }))
  function change() {
    const given = Object.fromEntries(new FormData(form))
    const values = [...FILTERS, "sort"].map((name) => [name, given[name] || null])
    go(Object.fromEntries(values))
  }
  const sort = h("select", { name: "sort", change }, Object.entries(SORTS).map(([value, text]) => h("option", { value, selected: query.get("sort") === value }, text)))
  const form = h("form", { class: "filters", role: "search", submit(event) { event.preventDefault(); change() } },
    type("q", "Search", 500, "search"),
    pick("status", "Status", STATUS),
    pick("priority", "Priority", Object.fromEntries(PRIORITIES.map((each) => [each, each]))),
    type("label", "Label", 50), type("assignee", "Assignee", 200),
    pick("lease", "Lease", { live: "held", expired: "quiet", none: "none" }),
    pick("overdue", "Overdue", { true: "yes", false: "no" }),
    h("label", {}, "Order", sort),
    h("button", { type: "button", click: () => go({ view: "tasks" }, { from: "" }) }, "Clear"))
  return form
}

function makeRow(task, chosen, go) {
  const row = h("tr")
  row.parts = {
    box: h("input", { type: "checkbox", change: (event) => chosen.set(task.id, event.target.checked) }),
    title: h("button", { class: "link", type: "button", "data-task": "", click: () => go({ task: task.id }) }),
    status: h("span", { class: "status" }),
    ...Object.fromEntries(["priority", "labels", "assignee", "changed", "due"].map((name) => [name, h("td", { "data-name": name })])),
  }
  const { box, title, status, priority, labels, assignee, changed, due } = row.parts
  changed.className = due.className = "age"
  row.append(h("td", { class: "pick" }, box), h("td", {}, title), h("td", {}, status), priority, labels, assignee, changed, due)
  return row
}

function drawRow(row, task, chosen) {
  const { box, title, status, priority, labels, assignee, changed, due } = row.parts
  box.checked = chosen.has(task.id)
  box.hidden = !chosen.offered
  box.setAttribute("aria-label", `Select ${task.title}`)
  setText(title, task.title)
  setText(status, STATUS[task.status])
  status.className = `status ${task.status}`
  setText(priority, task.priority)
  setText(assignee, task.assignee ?? "")
  const tags = task.labels.join("\n")
  if (labels.shows !== tags) labels.replaceChildren(...task.labels.map((label) => h("span", { class: "tag" }, label)))
  labels.shows = tags
  setText(changed, distance(task.updated_at))
  changed.title = moment(task.updated_at)
  setText(due, task.due_at && !task.finished_at ? distance(task.due_at) : "")
  if (task.due_at) due.title = moment(task.due_at)
}
