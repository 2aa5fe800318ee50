// What happened to a task, the newest first: who, what, and each field before and after.

import { api } from "./api.js"
import { h } from "./dom.js"
import { distance, moment, plain } from "./words.js"

const NOT_SHOWN = new Set(["version", "updated_at", "fence"])

/** Make the list of a task's changes; `read` brings it up to date. */
export function timeline(id) {
  const list = h("ol", { class: "timeline", reversed: true })
  let entries = []

  async function read() {
    let { data } = await api.get(`/v1/tasks/${encodeURIComponent(id)}/history?limit=200`)
    entries = data.items
    for (let pages = 1; data.next_cursor && pages < 5; pages += 1) {
      ;({ data } = await api.get(`/v1/tasks/${encodeURIComponent(id)}/history?limit=200&cursor=${encodeURIComponent(data.next_cursor)}`))
      entries = entries.concat(data.items)
    }
    const key = `${entries.length} ${entries.at(-1)?.version}`
    if (list.shows === key) return
    list.shows = key
    list.replaceChildren(...entries.toReversed().map(entry))
  }
  return { list, read }
}

function entry({ at, action, actor, before, after }) {
  const who = actor ? actor.name ?? `key ${actor.key_id}` : "the service"
  const worker = after?.worker ? ` (${after.worker})` : ""
  const line = h("div", {}, h("strong", {}, action), ` by ${who}${worker}, `, h("time", { dateTime: at, title: moment(at) }, distance(at)))
  if (action === "created" || action === "deleted") return h("li", {}, line)
  const names = Object.keys({ ...before, ...after }).filter((name) => !NOT_SHOWN.has(name) && name !== "worker")
  return h("li", {}, line, h("ul", {}, names.map((name) => h("li", {}, `${name}: `,
    before && name in before ? [h("del", {}, plain(before[name])), " → "] : "", h("ins", {}, plain(after?.[name]))))))
}
