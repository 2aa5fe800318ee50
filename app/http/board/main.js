// The page: who is signed in, which view the address asks for, and what is live.

import { api } from "./api.js"
import { h, say, setText } from "./dom.js"
import { Live } from "./events.js"
import { listView } from "./list.js"
import { queuesView } from "./queues.js"
import { showTask } from "./task.js"
import { workView } from "./work.js"

const VIEWS = { work: ["Work", workView], tasks: ["Tasks", listView], queues: ["Queues", queuesView] }
const STATES = { live: "Live", behind: "Behind", reconnecting: "Reconnecting…" }

const main = document.getElementById("main")
const nav = document.getElementById("views")
const signal = document.getElementById("live")
const live = new Live()
let view = null // { name, query, change(event), reset(), stop() }
let dialog = null // { id, change(event), reset(), close() }

/** Go to another address of the board: `change` gives parameters to set, or null to remove. */
export function go(change, { replace = false, from = location.search } = {}) {
  const query = new URLSearchParams(from)
  for (const [name, value] of Object.entries(change)) {
    query.delete(name)
    for (const each of [value ?? []].flat()) query.append(name, each)
  }
  const address = query.size ? `/board?${query}` : "/board"
  if (address === location.pathname + location.search) return
  history[replace ? "replaceState" : "pushState"](null, "", address)
  show()
}

function show() {
  const query = new URLSearchParams(location.search)
  const task = query.get("task")
  query.delete("task")
  const name = query.get("view") in VIEWS ? query.get("view") : "work"
  if (view?.name !== name || view.query !== query.toString()) {
    const focused = view?.name === name ? document.activeElement?.name : null
    view?.stop()
    const content = h("div")
    main.replaceChildren(content)
    view = { name, query: query.toString(), ...VIEWS[name][1](content, query, go) }
    document.title = `${VIEWS[name][0]} · TaskPulse`
    if (focused) content.querySelector(`[name="${focused}"]`)?.focus()
  }
  nav.replaceChildren(...Object.entries(VIEWS).map(([each, [title]]) =>
    h("a", { href: `/board?view=${each}`, "aria-current": each === name ? "page" : null }, title)))
  if (dialog?.id !== task) {
    dialog?.close()
    dialog = task ? { id: task, ...showTask(task, () => go({ task: null }), go) } : null
  }
}

function enter() {
  nav.hidden = false
  document.getElementById("sign-out").hidden = false
  main.replaceChildren()
  show()
  live.start()
}

function leave(why) {
  live.stop()
  live.forget()
  dialog?.close()
  view?.stop()
  dialog = view = null
  api.signOut()
  nav.hidden = true
  document.getElementById("sign-out").hidden = true
  setText(signal, "")
  askForKey(why)
}

function askForKey(why = "") {
  const problem = h("p", { class: "problem", role: "alert" }, why)
  const key = h("input", { type: "password", name: "key", required: true, autocomplete: "off", spellcheck: false, placeholder: "tp_…" })
  const submit = async (event) => {
    event.preventDefault()
    problem.textContent = ""
    try {
      await api.signIn(key.value.trim())
      enter()
    } catch (error) {
      api.signOut()
      problem.textContent = error.status === 401 ? "The service does not accept this key. Check that you pasted all of it." : error.message
    }
  }
  main.replaceChildren(h("form", { class: "sign-in panel", submit },
    h("h1", {}, "Sign in"),
    h("p", {}, "Paste an API key with the scope ", h("code", {}, "read"), ". ",
      h("code", {}, "make run"), " prints one; an operator makes others with ", h("code", {}, "taskpulse keys create"), "."),
    h("label", {}, "API key", key),
    problem,
    h("p", { class: "soft" }, "The key stays in this tab, and is gone when you close it."),
    h("button", { class: "primary" }, "Sign in")))
  key.focus()
}

live.onChange = (change) => { view?.change(change); dialog?.change(change) }
live.onReset = () => { view?.reset(); dialog?.reset() }
live.onState = (state) => { setText(signal, STATES[state]); signal.dataset.state = state }
api.onSignedOut = () => leave("The service no longer accepts your key. It was revoked, or it has expired.")
document.getElementById("sign-out").addEventListener("click", () => leave(""))
window.addEventListener("popstate", () => { if (api.scopes.size) show() })
document.addEventListener("visibilitychange", () => {
  if (!api.scopes.size) return
  if (document.hidden) live.stop()
  else live.start()
})
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/board']")
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || !api.scopes.size) return
  event.preventDefault()
  go(Object.fromEntries([...new URLSearchParams(link.search).keys()].map((name) => [name, new URLSearchParams(link.search).getAll(name)])), { from: "" })
})
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !api.scopes.size || document.querySelector("dialog[open]")) return
  const typing = event.target.matches?.("input:not([type=checkbox]), textarea, select")
  if (event.key === "/" && !typing) {
    event.preventDefault()
    const search = document.querySelector("input[name=q]")
    if (search) search.focus()
    else { go({ view: "tasks" }, { from: "" }); document.querySelector("input[name=q]").focus() }
  } else if (event.key === "Escape" && typing) {
    event.target.blur()
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && !typing) {
    const rows = [...document.querySelectorAll("[data-task]")]
    const at = rows.indexOf(document.activeElement)
    const next = rows[at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1)]
    if (next) { event.preventDefault(); next.focus() }
  }
})

if (api.key) {
  api.signIn(api.key).then(enter, (error) => {
    if (error.status === 401) leave("The service no longer accepts your key. It was revoked, or it has expired.")
    else { say(error.message); askForKey(error.message) }
  })
} else askForKey()
