// Builds elements. Text from the service is only ever set as text, never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg"

/** Make an element: `class`, `aria-*`, `data-*` and the like are attributes, functions are listeners, others properties. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children)
}

/** Make an element of an SVG picture. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children)
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue
    if (typeof value === "function") element.addEventListener(name, value)
    else if (name in element && element.namespaceURI !== SVG && !(name === "form" || name === "list")) element[name] = value
    else element.setAttribute(name, value === true ? "" : value)
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** Set the text of an element if it differs: the page is laid out again only where something changed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** Make the children of `parent` show `items` in their order; `make(item)` gives an element, which `update` changes later. */
export function sync(parent, items, keyOf, make, update) {
  const before = parent.shown ?? new Map()
  const shown = new Map()
  for (const item of items) {
    const key = keyOf(item)
    const element = before.get(key) ?? make(item)
    update(element, item)
    shown.set(key, element)
  }
  for (const [key, element] of before) if (!shown.has(key)) element.remove()
  let place = parent.firstElementChild
  for (const element of shown.values()) {
    if (element === place) place = place.nextElementSibling
    else parent.insertBefore(element, place)
  }
  parent.shown = shown
}

/** Say something to everybody, screen readers too; it goes away by itself. */
export function say(text) {
  const said = document.getElementById("said")
  said.textContent = text
  clearTimeout(say.timer)
  say.timer = setTimeout(() => { said.textContent = "" }, 6000)
}
