/**
 * Builds the storefront's files into dist/: loader.js, which every page gets; earn.js, an ES module for the pages where
 * something can be earned; and panel.<language>.js, an ES module with one language's words, fetched when the panel is
 * opened. Prints their sizes and fails when they are over budget.
 */
import { readFile, readdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const BUDGET = { loader: 2_500, earn: 1_500, panel: 9_000 }; // brotli bytes; the panel in any language, with the loader
const languages = (await readdir(`${here}messages`)).map((file) => file.replace(".json", "")).sort();

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
const file = (source, name, more) =>
  build({ ...shared, entryPoints: [`${here}src/${source}.ts`], outfile: `${here}dist/${name}.js`, ...more });
await Promise.all([
  // Whatever a page has done to what the loader touches, nothing is thrown into it.
  file("loader", "loader", { format: "iife", banner: { js: "try{" }, footer: { js: "}catch{}" } }),
  file("earn", "earn", { format: "esm" }),
  ...languages.map((language) =>
    file("panel", `panel.${language}`, { format: "esm", alias: { words: `${here}messages/${language}.json` } }),
  ),
]);

const sizes = {};
for (const name of ["loader", "earn", ...languages.map((language) => `panel.${language}`)]) {
  sizes[`${name}.js`] = brotliCompressSync(await readFile(`${here}dist/${name}.js`)).length;
}
await writeFile(`${here}dist/sizes.json`, JSON.stringify(sizes));

const row = (...cells) => console.log(cells.map((cell, i) => String(cell)[i ? "padStart" : "padEnd"](i ? 8 : 24)).join(""));
row("storefront (brotli)", "bytes", "budget");
const judged = (what, bytes, budget) => {
  row(what, bytes, budget);
  if (bytes > budget) process.exitCode = 1;
};
judged("loader", sizes["loader.js"], BUDGET.loader);
judged("earn", sizes["earn.js"], BUDGET.earn);
for (const language of languages) {
  judged(`loader + panel.${language}`, sizes["loader.js"] + sizes[`panel.${language}.js`], BUDGET.panel);
}
