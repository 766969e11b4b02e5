// The part of Markdown that text panels use, made into elements: there is no HTML in between to inject into.

import { h, href } from "./base.js";

export function markdown(text) {
  const blocks = [];
  let list = null;
  for (const line of text.split(/\r?\n/)) {
    const heading = /^(#{1,4})\s+(.*)/.exec(line);
    const item = /^\s*(?:[-*]|\d+\.)\s+(.*)/.exec(line);
    if (item) {
      if (!list) blocks.push((list = h("ul")));
      list.append(h("li", {}, inline(item[1])));
      continue;
    }
    list = null;
    if (heading) blocks.push(h("h3", {}, inline(heading[2])));
    else if (line.trim()) {
      const last = blocks.at(-1);
      if (last?.tagName === "P" && !last.closed) last.append(" ", ...inline(line));
      else blocks.push(h("p", {}, inline(line)));
    } else if (blocks.length) blocks.at(-1).closed = true;
  }
  return blocks;
}

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|__(.+?)__|\*(.+?)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

function inline(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    const [, code, strong, strong2, emphasis, label, target] = match;
    if (code) parts.push(h("code", {}, code));
    else if (strong || strong2) parts.push(h("strong", {}, strong || strong2));
    else if (emphasis) parts.push(h("em", {}, emphasis));
    else parts.push(h("a", { href: href(target) }, label));
  }
  return [...parts, text.slice(end)];
}
