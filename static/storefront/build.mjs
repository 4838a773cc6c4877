/**
 * Builds the storefront's two files into dist/: loader.js, which every page gets, and panel.js, an ES module fetched
 * when the panel is opened. Prints their sizes and fails when they are over budget.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const BUDGET = { "loader.js": 2_500, "loader.js + panel.js": 9_000 }; // brotli bytes

/** Imports style sheets as minified text, for adoptedStyleSheets. */
const cssAsText = {
  name: "css-as-text",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path), { loader: "css", minify: true, target: "chrome120" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const shared = { bundle: true, minify: true, target: "es2020", charset: "utf8", legalComments: "none", plugins: [cssAsText] };
const entry = (name) => ({ entryPoints: [`${here}src/${name}.ts`], outfile: `${here}dist/${name}.js` });
await Promise.all([
  build({ ...shared, ...entry("loader"), format: "iife" }),
  build({ ...shared, ...entry("panel"), format: "esm" }),
]);

const brotli = async (name) => brotliCompressSync(await readFile(`${here}dist/${name}`)).length;
const files = { "loader.js": await brotli("loader.js"), "panel.js": await brotli("panel.js") };
await writeFile(`${here}dist/sizes.json`, JSON.stringify(files));
const sizes = { "loader.js": files["loader.js"], "loader.js + panel.js": files["loader.js"] + files["panel.js"] };
for (const [what, bytes] of Object.entries(sizes)) {
  console.log(`storefront: ${what} ${bytes} of ${BUDGET[what]} bytes (brotli)`);
  if (bytes > BUDGET[what]) process.exitCode = 1;
}
