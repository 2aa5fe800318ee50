// What workers did in each minute of the last hour: a bar of what ended, and a line of what began.

import { h, svg } from "./dom.js"
import { count } from "./words.js"

const HEIGHT = 100, BAR = 10
const KINDS = [["completed", "completed"], ["failed", "failed"], ["expired", "gone quiet"]]

/** Draw the minutes of GET /v1/stats into `place`. */
export function drawChart(place, minutes) {
  const key = JSON.stringify(minutes)
  if (place.drawn === key) return
  place.drawn = key
  const most = Math.max(1, ...minutes.map((m) => Math.max(m.claimed, m.completed + m.failed + m.expired)))
  const bars = minutes.flatMap((minute, index) => {
    let top = HEIGHT
    return KINDS.filter(([kind]) => minute[kind]).map(([kind]) => {
      const height = (minute[kind] / most) * (HEIGHT - 4)
      top -= height
      return svg("rect", { class: kind, x: index * BAR + 1, y: top, width: BAR - 2, height })
    })
  })
  const line = minutes.map((m, index) => `${index * BAR + BAR / 2},${HEIGHT - 1 - (m.claimed / most) * (HEIGHT - 4)}`).join(" ")
  const totals = Object.fromEntries(["claimed", ...KINDS.map(([kind]) => kind)].map((kind) => [kind, minutes.reduce((sum, m) => sum + m[kind], 0)]))
  const names = [["claimed", "claimed"], ...KINDS]
  const words = names.map(([kind, name]) => `${count(totals[kind])} ${name}`)
  place.replaceChildren(
    svg("svg", { viewBox: `0 0 ${minutes.length * BAR} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `In the last hour: ${words.join(", ")}; at most ${count(most)} in a minute.` },
      bars, svg("polyline", { class: "claimed", points: line })),
    h("div", { class: "axis" }, h("span", {}, `${minutes.length} minutes ago`), h("span", {}, `peak: ${count(most)} a minute`), h("span", {}, "now")),
    h("ul", { class: "legend" }, names.map(([kind], index) => h("li", {},
      svg("svg", { class: kind, viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10 })), words[index]))))
}
