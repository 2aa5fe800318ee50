// When to ask the service: never while the page is hidden, never twice at once, and not more often than it bears.

import { Refused } from "./api.js"

/** Runs `ask` by itself every `everyMs`, or only when `soon` is called; at most once in `leastMs`. */
export class Pace {
  constructor(ask, { everyMs = null, leastMs = 500, onError = () => {} }) {
    Object.assign(this, { ask, everyMs, leastMs, onError, began: -Infinity, timer: null, busy: false, again: false, stopped: false })
    this.seen = () => { if (!document.hidden && (this.everyMs || this.again)) this.soon() }
    document.addEventListener("visibilitychange", this.seen)
    this.soon()
  }

  /** Ask as soon as that is allowed. */
  soon() {
    this.again = true
    if (!this.busy) this.plan(Math.max(0, this.began + this.leastMs - performance.now()))
  }

  plan(ms) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.run(), ms)
  }

  async run() {
    if (this.stopped || this.busy || document.hidden) return
    this.busy = true
    this.again = false
    this.began = performance.now()
    let wait = this.everyMs
    try {
      await this.ask()
      this.onError(null)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (!this.stopped) this.onError(error)
      wait = Math.max(2000, error.retryAfter * 1000)
    } finally {
      this.busy = false
      if (!this.stopped) {
        if (this.again) this.plan(Math.max(wait === this.everyMs ? 0 : wait, this.began + this.leastMs - performance.now()))
        else if (wait !== null) this.plan(wait)
      }
    }
  }

  /** Ask no more. */
  stop() {
    this.stopped = true
    clearTimeout(this.timer)
    document.removeEventListener("visibilitychange", this.seen)
  }
}

/** Return a function that has `draw` run once in the next frame, however often it is called. */
export function perFrame(draw) {
  let asked = false
  return () => {
    if (asked) return
    asked = true
    requestAnimationFrame(() => { asked = false; draw() })
  }
}
