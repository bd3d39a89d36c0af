// How a page looks: colours as they are drawn, and what is said beside them.

const colour = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return { rgb: [r, g, b], a };
};

const over = (top, a, under) => top.map((part, index) => part * a + under[index] * (1 - a));

/** What is behind the text of an element. */
const ground = (element) => {
  const parents = [];
  for (let one = element; one; one = one.parentElement) parents.unshift(one);
  return parents.reduce((under, one) => {
    const { rgb, a } = colour(getComputedStyle(one).backgroundColor);
    return over(rgb, a, under);
  }, [255, 255, 255]);
};

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
const luminance = (rgb) => {
  const parts = rgb.map((part) => part / 255);
  const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

/** The contrast of a colour of an element, such as of its text, with what is behind it. */
const contrastOf = (element, text, behind) => {
  let opacity = 1;
  for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
  const { rgb, a } = colour(text);
  const under = ground(behind);
  return contrast(over(rgb, a * opacity, under), under);
};

/** The visible elements in `part` with text of their own; WCAG leaves out what is disabled. */
const texts = (part) => [...document.querySelectorAll(`${part} *`)].filter((element) => {
  const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const isDrawn = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  return hasText && isDrawn && !element.closest(":disabled, option, script, style, .visually-hidden");
});

/** Each tone that elements of one class and with the same words have. */
const tones = () => {
  const found = {};
  for (const element of document.querySelectorAll("[data-tone], [data-is]")) {
    const step = element.closest(".step");
    // Times and ids tell no state; a count is one by itself.
    const isCount = element.closest(".counters");
    // Without what only a screen reader says.
    const seen = step ? [...step.children].filter((part) => !part.matches(".visually-hidden")) : [element];
    const text = seen.map((part) => part.innerText).join("\n");
    const words = text.replace(isCount ? "" : /\d+(\.\d+)?( (ms|s)\b)?/g, "").trim();
    if (!element.checkVisibility()) continue;
    const key = `${element.className}: ${words}`;
    found[key] = [...new Set([...(found[key] ?? []), element.dataset.tone ?? element.dataset.is])];
  }
  return found;
};
