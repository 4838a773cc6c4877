/** The panel's colours: the page's own, or the theme's `--encore-*`, corrected until they can be read. */

const READABLE = 4.5; // WCAG contrast of text

/** Relative luminance, 0 to 1, of any CSS colour as it computes on the probe. */
function luminance(probe: HTMLElement, colour: string): number {
  probe.style.color = `color-mix(in srgb, ${colour}, ${colour})`;
  const [r = 0, g = 0, b = 0] = (getComputedStyle(probe).color.match(/[\d.]+(e-\d+)?/g) ?? [])
    .map(Number)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: number, other: number): number {
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

/** The first of the page's backgrounds that isn't see-through. */
function pageSurface(): string {
  for (const element of [document.body, document.documentElement]) {
    const colour = getComputedStyle(element).backgroundColor;
    if (!/, 0\)$|\/ 0\)$/.test(colour)) return colour;
  }
  return "#fff";
}

/** A `:host` rule with surface, text, muted text and line; `probe` is any element inside the shadow root. */
export function palette(probe: HTMLElement): string {
  const surface = `var(--encore-surface, ${pageSurface()})`;
  const ground = luminance(probe, surface);
  const reads = (colour: string): boolean => contrast(luminance(probe, colour), ground) >= READABLE;
  const text = ["var(--encore-text, var(--ink))", "#1a1a1a"].find(reads) ?? "#fff";
  const soft = `var(--encore-muted, color-mix(in srgb, ${text} 70%, ${surface}))`;
  const muted = reads(soft) ? soft : text;
  probe.removeAttribute("style");
  return `:host{
    --surface:${surface};
    --text:${text};
    --muted:${muted};
    --line:var(--encore-line, color-mix(in srgb, ${text} 16%, ${surface}));
    --scheme:${ground > 0.179 ? "light" : "dark"}
  }`;
}
