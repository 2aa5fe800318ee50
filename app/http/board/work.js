// The work at a glance: figures, the last hour, and who works on what.

import { api } from "./api.js"
import { drawChart } from "./chart.js"
import { h, setText } from "./dom.js"
import { MOST, leases } from "./leases.js"
import { Pace } from "./pace.js"
import { count } from "./words.js"

const FIGURES = [
  ["open", "Open", "status=open", (s) => s.tasks.open],
  ["in_progress", "In progress", "status=in_progress", (s) => s.tasks.in_progress],
  ["quiet", "Quiet", "lease=expired", (s) => s.quiet],
  ["overdue", "Overdue", "overdue=true", (s) => s.overdue],
  ["failed", "Failed", "status=failed", (s) => s.tasks.failed],
  ["done", "Done in the last hour", "status=done&sort=-updated_at", (s) => s.minutes.reduce((sum, minute) => sum + minute.completed, 0)],
]
const WARNS = { quiet: "warns", overdue: "warns", failed: "fails" }

/** Show the view; returns what the page needs to keep it live. */
export function workView(content, query, go) {
  const figures = h("ul", { class: "figures" })
  const numbers = new Map()
  for (const [name, title, filter] of FIGURES) {
    const number = h("strong", {}, "–")
    const item = h("li", { "data-figure": name }, h("a", { href: `/board?view=tasks&${filter}` }, number, title))
    numbers.set(name, { number, item })
    figures.append(item)
  }
  const chart = h("section", { class: "panel chart", "aria-label": "The last hour" })
  const problem = h("p", { class: "problem", role: "alert" })
  const held = h("section", { "aria-labelledby": "held" })
  content.append(h("h1", {}, "Work"), problem, figures, h("h2", {}, "The last hour"), chart, held)

  const show = (values) => Object.entries(values).forEach(([name, value]) => {
    const { number, item } = numbers.get(name)
    setText(number, count(value))
    item.className = value ? WARNS[name] ?? "" : ""
  })
  let exact = {} // what the list of leases says, which is newer than the figures
  const onError = (error) => setText(problem, error ? `${error.message} What you see may be old.` : "")
  const list = leases(held, onError, go, (values) => { exact = values; show(values) })
  const stats = new Pace(async () => {
    const { data } = await api.get("/v1/stats")
    const read = Object.fromEntries(FIGURES.map(([name, , , figure]) => [name, figure(data)]))
    show(read.in_progress > MOST ? read : { ...read, ...exact })
    drawChart(chart, data.minutes)
  }, { everyMs: 2000, leastMs: 2000, onError })
  return { change() {}, reset() { stats.soon(); list.soon() }, stop() { stats.stop(); list.stop() } }
}
