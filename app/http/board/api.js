// Calls the service with the key of this tab.

import { noteServerTime } from "./words.js"

const KEY = "taskpulse-key"

/** An answer that is a problem document (RFC 9457), or no answer: `status` is 0 then. */
export class Refused extends Error {
  constructor(status, problem, retryAfter) {
    const fields = (problem.errors ?? []).map((error) => error.detail)
    super(fields.length ? fields.join(" ") : problem.detail ?? problem.title ?? `The service answered ${status}.`)
    this.status = status
    this.type = (problem.type ?? "").split("/").pop()
    this.retryAfter = retryAfter
  }
}

export const api = {
  key: sessionStorage.getItem(KEY),
  scopes: new Set(),
  /** Called when the key is no longer accepted. */
  onSignedOut: () => {},

  may(scope) { return this.scopes.has(scope) },

  /** Begin to use a key; throws Refused if the service does not take it. */
  async signIn(key) {
    this.key = key
    const { data } = await this.call("GET", "/v1/key")
    this.scopes = new Set(data.scopes)
    sessionStorage.setItem(KEY, key)
  },

  signOut() {
    this.key = null
    this.scopes.clear()
    sessionStorage.removeItem(KEY)
  },

  /** Call the service; returns { data, etag }, or throws Refused. */
  async call(method, path, { body, headers = {}, signal } = {}) {
    const sent = Date.now()
    const response = await this.fetch(method, path, {
      signal,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    noteServerTime(response.headers.get("Date"), sent, Date.now())
    const text = await response.text()
    return { data: text ? JSON.parse(text) : null, etag: response.headers.get("ETag") }
  },

  get(path, signal) { return this.call("GET", path, { signal }) },

  /** Fetch, and throw Refused for anything but success; `fetch` itself throws where there is no answer. */
  async fetch(method, path, { headers, ...options }) {
    const key = this.key
    let response
    try {
      response = await fetch(path, { method, headers: { Authorization: `Bearer ${key}`, ...headers }, cache: "no-store", ...options })
    } catch (error) {
      if (error.name === "AbortError") throw error
      throw new Refused(0, { detail: "The service does not answer." })
    }
    if (response.ok) return response
    const problem = await response.json().catch(() => ({}))
    if (response.status === 401 && key === this.key && this.scopes.size) this.onSignedOut()
    throw new Refused(response.status, problem, Number(response.headers.get("Retry-After")) || 0)
  },
}
