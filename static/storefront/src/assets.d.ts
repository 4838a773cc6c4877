/** Style sheets are minified by the build and imported as text. */
declare module "*.css" {
  const css: string;
  export default css;
}

/** The messages of the language this build of the panel speaks. */
declare module "words" {
  const words: typeof import("../messages/en.json");
  export default words;
}

/** Written by the server in front of the built loader; a block-scoped constant, never a global. None in a theme. */
declare const ENCORE: import("./types").Settings | undefined;

interface Window {
  Shopify?: {
    locale?: string;
    designMode?: boolean;
    /** On checkout and order status; only the latter takes boxes of others. */
    Checkout?: { OrderStatus?: { addContentBox(html: string): void } };
    checkout?: { order_id?: number };
    currency?: { active?: string };
    routes?: { root?: string };
    customerPrivacy?: { preferencesProcessingAllowed(): boolean };
    loadFeatures?: (features: { name: string; version: string }[], done: (error?: unknown) => void) => void;
  };
}
