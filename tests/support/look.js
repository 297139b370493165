// What a test asks of a page that is open. Each answer is a list of faults, but for drawn().
const visible = (node) => node.checkVisibility();
const place = (node) => {
  const named = node.closest("[id]");
  const text = (node.textContent || "").trim().slice(0, 40);
  return `${named ? named.id + " " : ""}${node.tagName.toLowerCase()} ${text}`;
};

// Boxes outside the window, or with more in them than they show.
function overflow() {
  const wide = document.documentElement.clientWidth;
  const found = [];
  if (document.documentElement.scrollWidth > wide) found.push("the page scrolls sideways");
  for (const node of document.querySelectorAll("main *")) {
    const head = node.closest("thead");
    if (!visible(node) || (head && getComputedStyle(head).position === "absolute")) continue;
    const box = node.getBoundingClientRect();
    if (box.width && (box.right > wide + 1 || box.left < -1)) found.push(`outside: ${place(node)}`);
    const isBox = node instanceof HTMLElement && getComputedStyle(node).display !== "inline";
    if (isBox && node.clientWidth && node.scrollWidth > node.clientWidth + 1)
      found.push(`cut: ${place(node)}`);
  }
  return found;
}

// Text below the contrast that WCAG 2's level AA asks for: 4.5, of large text 3.
function contrast() {
  const numbers = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const light = (color) =>
    color
      .slice(0, 3)
      .map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    const isText = texts.currentNode.data.trim() && !node.closest("title, script");
    if (!isText || !visible(node)) continue;
    const style = getComputedStyle(node);
    const color = numbers(node.closest("svg") ? style.fill : style.color);
    const [high, low] = [light(color), light(behind(node))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${place(node)}`);
  }
  return found;
}

// Charts with exactly one visible picture, its text within its frame and of a readable size.
function drawn() {
  const found = [];
  for (const chart of document.querySelectorAll("figure.chart")) {
    const shown = [...chart.querySelectorAll(":scope > svg")].filter(visible);
    if (shown.length !== 1) continue;
    const frame = shown[0].getBoundingClientRect();
    const isWhole = [...shown[0].querySelectorAll("text")].every((text) => {
      const box = text.getBoundingClientRect();
      const isInside = box.left >= frame.left - 1 && box.right <= frame.right + 1;
      return isInside && box.bottom <= frame.bottom + 1 && box.height >= 10;
    });
    if (isWhole) found.push(chart.id);
  }
  return found;
}
