// Small helpers to make elements. Nothing here or elsewhere takes markup from
// data: what a connector says becomes text nodes only.

const svgSpace = "http://www.w3.org/2000/svg";

// h makes an element. Names that begin with "on" are listeners, "class" and all
// others are attributes; null and false leave an attribute out.
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// s is h for SVG.
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(svgSpace, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  return element;
}

export const $ = (id) => document.getElementById(id);

// text sets an element's text if it differs, so that nothing is painted or read
// out anew that has not changed.
export function text(element, value) {
  const wanted = String(value);
  if (element.textContent !== wanted) element.textContent = wanted;
}

// attribute sets an attribute if it differs.
export function attribute(element, name, value) {
  if (value === null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// arrange makes nodes the children of parent, in this order, and moves no node
// that stands right, since a moved one would lose the focus.
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  let at = parent.firstChild;
  for (const node of nodes) {
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

// say tells something in passing, on the screen and to a screen reader.
let silence = 0;
export function say(words) {
  const place = $("said");
  place.textContent = words;
  place.classList.add("seen");
  clearTimeout(silence);
  silence = setTimeout(() => place.classList.remove("seen"), 6000);
}

// copyLine is a command with a button that copies it.
export function copyLine(line) {
  const code = h("code", {}, line);
  const button = h("button", { type: "button", class: "quiet small", "aria-label": "Copy: " + line }, "Copy");
  button.addEventListener("click", () => copy(code));
  return h("div", { class: "line" }, code, button);
}

// copy works without a secure context, too, where there is no clipboard to write to.
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    say("copied");
  } catch {
    getSelection().selectAllChildren(code);
    say("selected: copy with Ctrl-C");
  }
}
