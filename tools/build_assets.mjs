// Builds what browsers load. Vendored files come from node_modules, the storefront loader from static/storefront/.
// Nothing built here is committed.
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const vendored = {
  "htmx.org/dist/htmx.min.js": "htmx.min.js",
  "@shopify/polaris-tokens/dist/css/styles.css": "polaris-tokens.css",
};

const vendor = join(root, "static/app/vendor");
mkdirSync(vendor, { recursive: true });
for (const [source, name] of Object.entries(vendored)) {
  cpSync(join(root, "node_modules", source), join(vendor, name));
}

const storefront = join(root, "static/storefront/build.mjs");
if (existsSync(storefront)) {
  await import(pathToFileURL(storefront).href);
}
