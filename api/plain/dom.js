// Building page elements. Text only ever enters as text, so nothing a device or a person wrote can become markup.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Changes the text only where it differs: screen readers and selections are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const SHAPES = {
  p0: "M12 2h16l10 10v16L28 38H12L2 28V12z", // octagon
  p1: "M20 2 39 37H1z", // triangle
  p2: "M20 2a18 18 0 1 1 0 36 18 18 0 0 1 0-36z", // circle
  p3: "M3 3h34v34H3z", // square
};

/** The level as shape, letters and fill: never colour alone. */
export function badge(level, name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [path, text] = ["path", "text"].map((tag) => document.createElementNS(svg.namespaceURI, tag));
  for (const [key, value] of Object.entries({ viewBox: "0 0 40 40", role: "img", class: `badge ${level}`, "aria-label": name })) svg.setAttribute(key, value);
  path.setAttribute("d", SHAPES[level] ?? SHAPES.p0);
  for (const [key, value] of Object.entries({ x: 20, y: level === "p1" ? 33 : 26, "text-anchor": "middle" })) text.setAttribute(key, value);
  text.textContent = level.toUpperCase();
  svg.append(path, text);
  return svg;
}
