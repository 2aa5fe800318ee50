// Follows GET /v1/events (WHATWG HTML, 9.2). EventSource would put the key into the URL: it sends no headers.

import { api } from "./api.js"
import { now } from "./words.js"

const PATIENCE_S = 40 // a comment comes at least every 15 seconds
const BEHIND_MS = 5000
const CAUGHT_UP_MS = 2000 // after the last event that came late

/** Parse a stream of server-sent events: calls `onEvent({ id, event, data })` for each block. */
export async function readEvents(stream, onEvent, onBytes) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    onBytes()
    const blocks = (rest + value).split("\n\n")
    rest = blocks.pop()
    for (const block of blocks) {
      const found = { id: null, event: "message", data: "" }
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":")
        const name = line.slice(0, colon)
        if (colon > 0 && name in found) found[name] = line.slice(colon + 1).trimStart()
      }
      onEvent(found)
    }
  }
}

/** Tells of every change while the page is visible, and goes on where it was after a break. */
export class Live {
  constructor() {
    this.onChange = () => {} // a TaskEvent
    this.onReset = () => {} // everything may have changed
    this.onState = () => {} // "live", "behind" or "reconnecting"
    this.last = null
    this.ending = null
  }

  /** Follow until `stop`; a stream that follows already goes on. */
  start() {
    if (this.ending) return
    this.ending = new AbortController()
    this.run(this.ending.signal)
  }

  /** Stop for a while; `start` goes on behind the last event. */
  stop() {
    this.ending?.abort()
    this.ending = null
  }

  /** Begin with what happens from now on. */
  forget() { this.last = null }

  async run(ended) {
    for (let wait = 500; !ended.aborted; wait = Math.min(wait * 2, 10_000)) {
      try {
        await this.connect(ended, () => { wait = 500 })
      } catch (error) {
        if (ended.aborted || error.status === 401) return
        if (error.status === 400) this.last = null
        wait = Math.max(wait, (error.retryAfter ?? 0) * 1000)
      }
      if (ended.aborted) return
      this.onState("reconnecting")
      await new Promise((resolve) => setTimeout(resolve, wait * (0.8 + 0.4 * Math.random())))
    }
  }

  async connect(ended, connected) {
    const silent = new AbortController()
    let timer
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(), PATIENCE_S * 1000)
    }
    heard()
    try {
      const headers = this.last ? { "Last-Event-ID": this.last } : {}
      const response = await api.fetch("GET", "/v1/events", { headers, signal: AbortSignal.any([ended, silent.signal]) })
      const begins = this.last === null
      connected()
      this.onState("live")
      if (begins) this.onReset()
      await readEvents(response.body, (event) => this.take(event), heard)
    } finally {
      clearTimeout(timer)
      clearTimeout(this.catchingUp)
    }
  }

  take({ id, event, data }) {
    if (id) this.last = id
    if (event === "reset") this.onReset()
    else if (data) {
      const change = JSON.parse(data)
      const late = now() - Date.parse(change.at) > BEHIND_MS
      clearTimeout(this.catchingUp)
      if (late) this.catchingUp = setTimeout(() => this.onState("live"), CAUGHT_UP_MS)
      this.onState(late ? "behind" : "live")
      this.onChange(change)
    }
  }
}
