"use strict";
// The filter, the steps from danger to danger, and links to objects that are closed or filtered out.
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const objects = all(".object");
  if (!objects.length) return;
  const entries = all(".entry");
  const groups = all("[data-group]");
  const dangers = all(".why");
  const place = new Map(objects.map((object, number) => [object, number]));
  const [filter, drawer, status, reset, position] = [".filter", ".drawer", ".shown", ".reset", ".position"].map(one);
  const [text, overlay, kind, risky] = ["text", "overlay", "kind", "risky"].map((name) => one(`.filter [name=${name}]`));
  const narrow = matchMedia("(width < 68rem)");
  const total = status.textContent;
  let texts; // of each object, what the filter looks in: gathered when it is first asked for
  let current; // the object that was gone to, or worked in, last
  let cursor; // the element in it from which the next danger is looked for

  const isOut = (object) => object.classList.contains("out");
  const textOf = (object) =>
    [...object.querySelectorAll("h3, .badge, .what, .why, .links, .diff > .lines")]
      .map((part) => part.textContent).join("\n").toLowerCase();

  function apply() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const active = words.length > 0 || [overlay, kind].some((each) => each?.value) || Boolean(risky?.checked);
    if (words.length) texts ??= objects.map(textOf);
    let shown = 0;
    const left = new Set();
    objects.forEach((object, number) => {
      const matches =
        (!overlay?.value || object.dataset.overlay === overlay.value) &&
        (!kind?.value || object.dataset.kind === kind.value) &&
        (!risky?.checked || object.classList.contains("dangerous")) &&
        words.every((word) => texts[number].includes(word));
      for (const each of [object, entries[number]]) each.classList.toggle("out", !matches);
      if (matches) {
        shown += 1;
        left.add(object.dataset.overlay);
      }
    });
    for (const group of groups) group.classList.toggle("out", active && !left.has(group.dataset.group));
    reset.hidden = !active;
    status.textContent = active ? `${shown ? shown.toLocaleString("en") : "None"} of ${total}` : total;
  }

  function clear() {
    text.value = "";
    for (const each of [overlay, kind]) if (each) each.value = "";
    if (risky) risky.checked = false;
    apply();
  }

  // The object that an anchor of the page is in, made visible.
  function reveal(hash) {
    const object = document.getElementById(hash.slice(1))?.closest(".object");
    if (!object) return undefined;
    if (isOut(object)) clear();
    object.open = true;
    return object;
  }

  function mark(object, element) {
    cursor = element;
    const at = dangers.indexOf(element);
    if (at >= 0) position.textContent = `${at + 1} of ${dangers.length}`;
    if (object === current) return;
    if (current) entries[place.get(current)].firstElementChild.removeAttribute("aria-current");
    current = object;
    const entry = entries[place.get(object)].firstElementChild;
    entry.setAttribute("aria-current", "true");
    if (!narrow.matches) entry.scrollIntoView({ block: "nearest" });
  }

  // Show an object from its start, with the focus on something in it.
  function go(object, element = object.querySelector("summary")) {
    if (narrow.matches) drawer.open = false;
    mark(object, element);
    element.focus({ preventScroll: true });
    object.scrollIntoView({ block: "start" });
    element.scrollIntoView({ block: "nearest" });
  }

  function follow() {
    const object = reveal(location.hash);
    if (object) go(object);
  }

  function step(direction) {
    const shown = dangers.filter((danger) => !isOut(danger.closest(".object")));
    const ahead = direction > 0 ? shown : shown.toReversed();
    const wanted = direction > 0 ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING;
    const danger = ahead.find((each) => !cursor || cursor.compareDocumentPosition(each) & wanted) ?? ahead[0];
    if (!danger) {
      status.textContent = "No danger among the objects shown";
      return;
    }
    const hash = `#${danger.closest(".body").id}`;
    history.replaceState(null, "", hash);
    go(reveal(hash), danger);
  }

  filter.hidden = false;
  filter.addEventListener("input", apply);
  reset.addEventListener("click", () => {
    clear();
    text.focus();
  });
  text.addEventListener("keydown", (event) => {
    const first = objects.find((object) => !isOut(object));
    if (event.key === "Enter" && first) location.hash = first.querySelector(".body").id;
  });
  if (dangers.length) {
    one(".steps").hidden = false;
    one(".previous").addEventListener("click", () => step(-1));
    one(".next").addEventListener("click", () => step(1));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("[type=search], select")) return;
      if (event.key === "n") step(1);
      if (event.key === "p") step(-1);
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const object = link && reveal(link.hash);
    if (object && link.hash === location.hash) go(object); // else the address changes
  });
  document.addEventListener("focusin", (event) => {
    const object = event.target.closest(".object");
    if (object) mark(object, event.target);
  });
  addEventListener("hashchange", follow);
  addEventListener("pageshow", () => {
    apply(); // a reload keeps what was typed
    follow();
  });
})();
