// What a script can see of a page that looks wrong. Answers a list of complaints, empty when there is nothing.
async () => {
  const found = [];
  const shifted = await new Promise((tell) => {
    let sum = 0;
    const add = (entry) => { if (!entry.hadRecentInput) sum += entry.value; };
    new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => tell(sum), 50);
  });
  if (shifted > 0.05) found.push(`the layout moved by ${shifted.toFixed(2)} while it loaded`);
  const spokenOnly = (element) => {
    for (let outer = element; outer; outer = outer.parentElement)
      if (getComputedStyle(outer).clipPath === "inset(50%)") return true;
    return false;
  };
  const visible = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    !element.closest("title, desc, option") &&
    !spokenOnly(element);
  const overflow = document.documentElement.scrollWidth - window.innerWidth;
  if (overflow > 0) found.push(`the page scrolls sideways by ${overflow}px`);

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.trim();
    const element = node.parentElement;
    if (!text || !visible(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const svg = element.closest("svg");
    const scale = svg?.viewBox.baseVal.width ? svg.clientWidth / svg.viewBox.baseVal.width : 1;
    const size = parseFloat(getComputedStyle(element).fontSize) * scale;
    if (size < 11.99) found.push(`"${text}" is ${size.toFixed(1)}px`);
    for (const box of range.getClientRects()) {
      if (box.width < 1) continue;
      const scroller = element.closest(".table-box, .tabs");
      if (!scroller && (box.left < -0.5 || box.right > window.innerWidth + 0.5)) found.push(`"${text}" leaves the page`);
      const bounds = svg?.getBoundingClientRect();
      if (bounds && (box.left < bounds.left - 1 || box.right > bounds.right + 1)) found.push(`"${text}" leaves its chart`);
      texts.push({ text, element, box });
    }
  }

  for (const element of document.querySelectorAll("main *, .rail *")) {
    if (!visible(element) || element.closest("svg")) continue;
    const style = getComputedStyle(element);
    if (style.overflowX === "visible" || ["INPUT", "SELECT"].includes(element.tagName)) continue;
    if (!element.matches(".table-box, .tabs") && element.scrollWidth > element.clientWidth + 1)
      found.push(`<${element.tagName.toLowerCase()} class="${element.className}"> cuts its text`);
  }

  texts.sort((one, other) => one.box.top - other.box.top);
  texts.forEach((one, number) => {
    for (let next = number + 1; next < texts.length && texts[next].box.top < one.box.bottom - 3; next += 1) {
      const other = texts[next];
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      const floats = one.element.closest(".definition-box") !== other.element.closest(".definition-box");
      const sticky = [one, other].some(({ element }) => element.closest(".table-scroll"));
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (!floats && !sticky && across > 2 && down > 4) found.push(`"${one.text}" and "${other.text}" overlap`);
    }
  });
  return [...new Set(found)];
}
