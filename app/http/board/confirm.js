// Asks before something that cannot be undone.

import { h } from "./dom.js"

/** Ask; returns whether the answer is yes. */
export function confirm(question, words, yes, danger = false) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "question", close: () => { dialog.remove(); resolve(dialog.returnValue === "yes") } },
      h("form", { method: "dialog" },
        h("h1", { id: "question" }, question),
        words ? h("p", {}, words) : null,
        h("div", { class: "bar" },
          h("button", { value: "yes", class: danger ? "danger" : "primary" }, yes),
          h("button", { value: "no", autofocus: true }, "Back"))))
    document.body.append(dialog)
    dialog.showModal()
  })
}
