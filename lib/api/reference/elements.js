// Makes elements. Text goes in as text: nothing of a description becomes markup by itself.

export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** `code`, **strong** and lists: as much of Markdown as the descriptions use. */
export function prose(text) {
  const block = el("div");
  let list;
  for (const line of text.split("\n")) {
    if (line.startsWith("- ")) {
      list ??= block.appendChild(el("ul"));
      list.append(el("li", {}, ...inline(line.slice(2))));
    } else if (line.trim() !== "") {
      list = undefined;
      block.append(el("p", {}, ...inline(line)));
    }
  }
  return block;
}

export function inline(text) {
  return text
    .split(/(`[^`]+`)/)
    .map((piece) => (piece.startsWith("`") ? el("code", {}, piece.slice(1, -1)) : piece));
}
