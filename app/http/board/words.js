// How times, states and numbers read.

let ahead = 0 // milliseconds that the clock of the service is ahead of this one

/** Note what time it is at the service, by the Date of an answer (RFC 9110, 6.6.1; whole seconds). */
export function noteServerTime(date, sent, received) {
  const shown = Date.parse(date)
  if (Number.isNaN(shown)) return
  const least = shown - received, most = shown + 999 - sent
  if (ahead < least || ahead > most) ahead = (least + most) / 2
}

/** What time it is at the service, in milliseconds. */
export const now = () => Date.now() + ahead

/** A time span in its largest unit: "4 s", "12 min", "3 h", "5 d". */
export function span(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000))
  if (s < 100) return `${s} s`
  if (s < 6000) return `${Math.round(s / 60)} min`
  if (s < 172800) return `${Math.round(s / 3600)} h`
  return `${Math.round(s / 86400)} d`
}

/** How far a time is from now: "4 s ago", "in 3 h". */
export function distance(time) {
  const away = Date.parse(time) - now()
  return away > 0 ? `in ${span(away)}` : `${span(-away)} ago`
}

/** A time in full, in the reader's language and zone. */
export const moment = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })

export const STATUS = { open: "open", in_progress: "in progress", done: "done", cancelled: "cancelled", failed: "failed" }

export const count = (number) => number.toLocaleString()

/** "1 task", "3 tasks". */
export const tasks = (number) => `${count(number)} ${number === 1 ? "task" : "tasks"}`

/** A value of a task as one line of text. */
export function plain(value) {
  if (value === null || value === undefined || value === "") return "none"
  return typeof value === "string" ? value : JSON.stringify(value)
}
