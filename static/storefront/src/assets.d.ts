/** Style sheets are minified by the build and imported as text. */
declare module "*.css" {
  const css: string;
  export default css;
}

/** Written by the server in front of the built loader; a block-scoped constant, never a global. None in a theme. */
declare const ENCORE: import("./types").Settings | undefined;

interface Window {
  Shopify?: {
    locale?: string;
    designMode?: boolean;
    Checkout?: unknown;
    routes?: { root?: string };
  };
}
