// Putting things on the page. What comes from the network is always set as text, never as markup:
// players, files and platforms name themselves as they like.
export const byId = (id) => document.getElementById(id);

// Makes an element: attributes by name, `text` for its text, `on…` for listeners.
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// Only what changed is touched: a selection stays, and screen readers are told news only.
export function set(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

// Sets a text and hides the node when there is none.
export function say(node, text) {
  set(node, text);
  node.hidden = !text;
}

export function mark(node, name, value) {
  if (node.dataset[name] !== String(value)) node.dataset[name] = value;
}

export function attribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Makes `parent` hold one child for each item, known again by its key, so that what has the focus
// or is open stays as it is.
export function list(parent, items, keyOf, make, show) {
  const left = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  items.forEach((item, index) => {
    const key = String(keyOf(item, index));
    let node = left.get(key);
    if (node) left.delete(key);
    else {
      node = make(item, index);
      node.dataset.key = key;
    }
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    show(node, item, index);
  });
  for (const node of left.values()) node.remove();
}

// Facts are [name, text] or [name, text, is it odd].
export function facts(parent, items) {
  list(parent, items, ([name]) => name, ([name]) => h("div", {}, h("dt", { text: name }), h("dd")),
    (group, [, text, odd]) => {
      set(group.lastChild, text);
      group.lastChild.classList.toggle("odd", Boolean(odd));
    });
}

// A line with a lamp, a head, and lines below; `parts` finds them again.
export function row(...more) {
  const parts = {
    lamp: h("span", { class: "lamp", "aria-hidden": "true" }),
    name: h("b", { class: "name" }),
    state: h("span", { class: "state" }),
    line: h("p", { class: "line" }),
    why: h("p", { class: "why" }),
  };
  const about = h("div", { class: "about" },
    h("p", { class: "head" }, parts.name, " ", parts.state), parts.line, parts.why);
  const node = h("li", {}, parts.lamp, about, ...more);
  return Object.assign(node, { parts, about });
}

// Bit rates over time as a line; `most` is the top of the scale.
export function sparkline(svg, values, label) {
  const most = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((v, at) => `${(at * step).toFixed(1)},${(26 - (24 * v) / most).toFixed(1)}`);
  attribute(svg.firstElementChild, "points", points.join(" "));
  attribute(svg, "aria-label", label);
}

export function makeSparkline() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [name, value] of [["viewBox", "0 0 100 28"], ["preserveAspectRatio", "none"],
    ["role", "img"], ["class", "spark"]]) svg.setAttribute(name, value);
  svg.append(document.createElementNS(space, "polyline"));
  return svg;
}
