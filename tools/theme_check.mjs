// Judges the theme app extension with Shopify's own rules. Any offence fails.
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { themeCheckRun } from "@shopify/theme-check-node";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "extensions", "storefront");
const { offenses } = await themeCheckRun(root, "theme-check:theme-app-extension");
for (const { uri, start, check, message } of offenses) {
  console.error(`${relative(root, fileURLToPath(uri))}:${(start?.line ?? 0) + 1}: ${message} (${check})`);
}
process.exitCode = offenses.length ? 1 : 0;
