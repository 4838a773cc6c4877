// Builds what browsers load. Vendored files come from node_modules, the storefront loader from static/storefront/.
// Nothing built here is committed.
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
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

await import(pathToFileURL(join(root, "static/storefront/build.mjs")).href);

// A theme app extension may load its own files only: its assets are the same scripts.
const assets = join(root, "extensions/storefront/assets");
const built = join(root, "static/storefront/dist");
rmSync(assets, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });
for (const name of readdirSync(built).filter((file) => file.endsWith(".js"))) {
  cpSync(join(built, name), join(assets, name));
}
