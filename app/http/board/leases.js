// Who works on what: a row for each lease, quiet ones first, with a dot that beats when a pulse arrives.

import { api } from "./api.js"
import { h, say, setText, sync } from "./dom.js"
import { Pace } from "./pace.js"
import { now, span, tasks } from "./words.js"

const EVERY_MS = 1000
/** Leases that one call reads. */
export const MOST = 100
const still = matchMedia("(prefers-reduced-motion: reduce)")

/** Show the leases in `place`, and keep them up to date; `onAll` gets their numbers when the page knows all of them. */
export function leases(place, onError, go, onAll) {
  const title = h("h2", { id: "held" }, "In progress")
  const list = h("ul", { class: "leases" })
  const rest = h("p", { class: "soft" })
  place.append(title, list, rest)
  const pages = { quiet: { items: [], more: false }, live: { items: [], more: false } }
  let split = false // there are too many for one call: quiet and live ones are read in turn
  let state = "quiet"

  return new Pace(async () => {
    if (split) state = state === "quiet" ? "live" : "quiet"
    const { data } = await api.get(split ? `/v1/leases?limit=${MOST}&state=${state}` : `/v1/leases?limit=${MOST}`)
    if (split) {
      pages[state] = { items: data.items, more: data.next_cursor !== null }
      split = pages.quiet.more || pages.live.more || pages.quiet.items.length + pages.live.items.length > MOST
    } else {
      split = data.next_cursor !== null
      for (const each of ["quiet", "live"]) pages[each] = { items: data.items.filter((lease) => lease.state === each), more: split }
    }
    if (!split) onAll({ in_progress: data.items.length, quiet: pages.quiet.items.length })
    const oldest = (a, b) => (a.expires_at < b.expires_at ? -1 : 1)
    const shown = [...pages.quiet.items.sort(oldest), ...pages.live.items]
    setText(title, shown.length ? `In progress: ${tasks(shown.length)}${pages.live.more || pages.quiet.more ? " and more" : ""}` : "In progress")
    setText(rest, shown.length ? "" : "No worker holds a task at the moment.")
    sync(list, shown, (lease) => `${lease.task_id} ${lease.fence}`, () => makeRow(go), drawRow)
  }, { everyMs: EVERY_MS, leastMs: EVERY_MS, onError })
}

function makeRow(go) {
  const row = h("li", { class: "lease" })
  row.parts = {
    dot: h("span", { class: "dot", "aria-hidden": "true" }),
    title: h("button", { class: "link title", type: "button", click: () => go({ task: row.task }) }),
    labels: h("div", { class: "small" }),
    worker: h("span"),
    attempt: h("div", { class: "small" }),
    bar: h("progress", { max: 100 }),
    note: h("div", { class: "small" }),
    state: h("div", { class: "state" }),
    held: h("div", { class: "small" }),
  }
  const { dot, title, labels, worker, attempt, bar, note, state, held } = row.parts
  title.dataset.task = ""
  row.append(dot, h("div", {}, title, labels), h("div", {}, worker, attempt), h("div", {}, bar, note), h("div", {}, state, held))
  return row
}

function drawRow(row, lease) {
  const { dot, title, labels, worker, attempt, bar, note, state, held } = row.parts
  if (row.dataset.state === "live" && lease.state === "quiet") say(`${lease.worker} has gone quiet: ${lease.title}`)
  row.task = lease.task_id
  row.dataset.state = lease.state
  row.classList.toggle("quiet", lease.state === "quiet")
  setText(title, lease.title)
  setText(labels, lease.labels.join(", "))
  setText(worker, lease.worker)
  setText(attempt, `attempt ${lease.attempt} of ${lease.max_attempts}`)
  setText(note, lease.note ?? "")
  bar.hidden = lease.progress === null
  if (lease.progress !== null) {
    bar.value = lease.progress
    bar.setAttribute("aria-label", `Progress of ${lease.title}: ${Math.round(lease.progress)} %`)
  }
  if (lease.state === "quiet") setText(state, `quiet for ${span(now() - Date.parse(lease.expires_at))}`)
  else setText(state, lease.cancel_requested ? "asked to stop" : `last pulse ${span(now() - Date.parse(lease.pulsed_at))} ago`)
  setText(held, `held for ${span(now() - Date.parse(lease.claimed_at))}`)
  const whole = Date.parse(lease.expires_at) - Date.parse(lease.pulsed_at)
  dot.style.opacity = String(Math.max(0.15, Math.min(1, (Date.parse(lease.expires_at) - now()) / Math.max(1, whole))))
  if (row.pulse !== undefined && row.pulse !== lease.pulsed_at && !still.matches) {
    dot.animate([{ transform: "scale(1)" }, { transform: "scale(1.7)" }, { transform: "scale(1)" }], 450)
  }
  row.pulse = lease.pulsed_at
}
