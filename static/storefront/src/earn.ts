/**
 * The earn line: what the product on this page, the basket, or the order just placed earns. The server reckons; this module only tells it
 * what the page sells. The line stands in the theme's block, whose height is reserved; without one the launcher says it.
 */
import { remember, remembered } from "./memory";
import type { Earns, Launcher } from "./types";

const LINES_MAX = 100;
const LOOKS = 8; // for an order that the app hasn't heard of yet
const EVERY = 2_500; // milliseconds between two of them

interface Basket {
  /** `<product>:<quantity>:<minor units>` each, separated by commas. */
  lines: string;
  /** Minor units of a discount over the whole basket. */
  off?: string;
}

interface Product {
  id: number;
  variants: { id: number; price: number }[];
}

interface Cart {
  items_subtotal_price: number;
  total_price: number;
  items: { product_id: number; quantity: number; final_line_price: number; gift_card: boolean }[];
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(":host{display:block}p{margin:0}");

export function watch(launcher: Launcher, path: string): void {
  if (path.startsWith("/orders/")) thank(launcher).catch(() => {});
  else follow(launcher, path);
}

/** On the order's own page: what it earned its member, or how a guest keeps what their browser remembers. */
async function thank(launcher: Launcher): Promise<void> {
  const { checkout, Checkout } = window.Shopify ?? {};
  const box = (line: HTMLElement): void => Checkout?.OrderStatus?.addContentBox(line.outerHTML);
  if (!launcher.session.member) {
    const points = await remembered();
    if (points) box((await launcher.panel()).prompt(launcher, points));
    return;
  }
  for (let look = 0; look < LOOKS; look++) {
    const { text } = await launcher.get<Earns>("earns", { order: String(checkout?.order_id) });
    if (text) {
      const line = document.createElement("p");
      line.lang = launcher.session.locale;
      line.textContent = text;
      return box(line);
    }
    await new Promise((wake) => setTimeout(wake, EVERY));
  }
}

function follow(launcher: Launcher, path: string): void {
  const handle = /\/products\/([^/]+)/.exec(path)?.[1];
  const json = async <T>(url: string): Promise<T> => (await fetch(launcher.path(url))).json();
  let product: Product | undefined;
  let told: string | undefined;
  let points = 0;

  /** The chosen variant, by the product form's own field, or the first. */
  const onProduct = async (handle: string): Promise<Basket> => {
    product ??= await json<Product>(`/products/${handle}.js`);
    const field = document.querySelector<HTMLInputElement>('form[action*="/cart/add"] [name="id"]');
    const chosen = (field?.form && new FormData(field.form).get("id")) ?? new URLSearchParams(location.search).get("variant");
    const variant = product.variants.find(({ id }) => String(id) == chosen) ?? product.variants[0];
    return { lines: variant ? `${product.id}:1:${variant.price}` : "" };
  };

  const inCart = async (): Promise<Basket> => {
    const cart = await json<Cart>("/cart.js");
    const lines = cart.items.filter((item) => !item.gift_card).slice(0, LINES_MAX);
    return {
      lines: lines.map((item) => [item.product_id, item.quantity, item.final_line_price].join(":")).join(),
      off: String(cart.items_subtotal_price - cart.total_price),
    };
  };

  const look = async (): Promise<void> => {
    try {
      const basket = handle ? await onProduct(handle) : await inCart();
      const query = { of: handle ? "product" : "cart", currency: window.Shopify?.currency?.active ?? "", ...basket };
      const asked = JSON.stringify(query);
      if (asked == told) return;
      told = asked;
      const earns = basket.lines ? await launcher.get<Earns>("earns", query) : { points: 0, text: "", figure: "" };
      if (told != asked) return; // the basket has changed since
      tell(launcher, earns);
      points = earns.points;
      keep();
    } catch {
      // no answer, no line
    }
  };

  /** A guest's basket is remembered, if they let us; they may say so later. */
  const keep = (): void => {
    if (!handle && points && !launcher.session.member) remember(points).catch(() => {});
  };

  look();
  document.addEventListener("visitorConsentCollected", keep);
  if (handle) document.addEventListener("change", () => setTimeout(look));
  else {
    const changes = new PerformanceObserver((list) => {
      if (list.getEntries().some(({ name }) => /\/cart\/\w+/.test(name))) look();
    });
    changes.observe({ type: "resource" });
  }
}

/** Writes the line into the theme's blocks; on the launcher when there are none. */
function tell(launcher: Launcher, { points, text, figure }: Earns): void {
  const slots = document.querySelectorAll<HTMLElement>("[data-encore-earn]");
  for (const slot of slots) {
    const root = slot.shadowRoot ?? slot.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const line = root.querySelector("p") ?? root.appendChild(document.createElement("p"));
    line.part.add("earn");
    line.role = "status";
    line.lang = launcher.session.locale;
    line.textContent = text;
  }
  launcher.earns = points && !slots.length ? { points, text, figure } : undefined;
  launcher.show();
}
