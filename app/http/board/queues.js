// The labels in use, and the rules of their queues.

import { api } from "./api.js"
import { h, say, setText, sync } from "./dom.js"
import { Pace } from "./pace.js"
import { count, distance } from "./words.js"

const COLUMNS = ["Label", "Ready", "Scheduled", "Leased", "Quiet", "Oldest ready", "Max leases", "Change"]

/** Show the view; returns what the page needs to keep it live. */
export function queuesView(content) {
  const problem = h("p", { class: "problem", role: "alert" })
  const body = h("tbody")
  const empty = h("p", { class: "empty" }, "Loading…")
  content.append(h("h1", {}, "Queues"), problem,
    h("table", {}, h("thead", {}, h("tr", {}, COLUMNS.map((name, at) => h("th", { scope: "col", class: at > 0 && at < 5 ? "number" : null }, name)))), body), empty)

  const reading = new Pace(async () => {
    const { data } = await api.get("/v1/queues?limit=200")
    setText(empty, data.items.length ? (data.next_cursor ? "These are the first 200 labels." : "") : "No task has a label, and no label has rules.")
    empty.hidden = !empty.textContent
    sync(body, data.items, (queue) => queue.label, () => makeRow(change), drawRow)
  }, { everyMs: 2000, leastMs: 500, onError: (error) => setText(problem, error?.message ?? "") })

  async function change(queue, rules) {
    const { paused, max_leases, ready_within_s } = { ...queue, ...rules }
    try {
      await api.call("PUT", `/v1/queues/${encodeURIComponent(queue.label)}`, { body: { paused, max_leases, ready_within_s } })
      say(`The queue ${queue.label} is changed.`)
    } catch (error) {
      say(error.message)
    }
    reading.soon()
  }
  return { change() {}, reset() { reading.soon() }, stop() { reading.stop() } }
}

function makeRow(change) {
  const row = h("tr")
  const cell = (name) => h("td", { class: "number", "data-name": name })
  const limit = h("input", { type: "number", min: 0, max: 1000000, placeholder: "no limit", disabled: !api.may("write"), change: () =>
    change(row.queue, { max_leases: limit.value === "" ? null : Number(limit.value) }) })
  const pause = h("button", { type: "button", hidden: !api.may("write"), click: () => change(row.queue, { paused: !row.queue.paused }) })
  row.parts = { label: h("a", {}), ready: cell("ready"), scheduled: cell("scheduled"), leased: cell("leased"), quiet: cell("quiet"),
    oldest: h("td", { class: "age", "data-name": "oldest ready" }), limit, pause, state: h("span", { class: "state" }) }
  const { label, ready, scheduled, leased, quiet, oldest, state } = row.parts
  row.append(h("td", {}, label, " ", state), ready, scheduled, leased, quiet, oldest, h("td", { "data-name": "max leases" }, limit), h("td", {}, pause))
  return row
}

function drawRow(row, queue) {
  row.queue = queue
  const { label, oldest, limit, pause, state } = row.parts
  setText(label, queue.label)
  label.href = `/board?view=tasks&label=${encodeURIComponent(queue.label)}`
  for (const name of ["ready", "scheduled", "leased", "quiet"]) setText(row.parts[name], count(queue[name]))
  setText(oldest, queue.oldest_ready_at ? distance(queue.oldest_ready_at) : "")
  setText(state, queue.paused ? "paused" : "")
  limit.setAttribute("aria-label", `Max leases of ${queue.label}`)
  if (document.activeElement !== limit) limit.value = queue.max_leases ?? ""
  setText(pause, queue.paused ? "Resume" : "Pause")
  pause.setAttribute("aria-label", `${queue.paused ? "Resume" : "Pause"} ${queue.label}`)
}
