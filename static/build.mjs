/**
 * Builds `dist/widget.js` from `src/widget.js`: one classic script, no imports, the same bytes on every machine.
 *
 * `node build.mjs [folder]` writes into another folder (default `dist`), so that a test can compare.
 */
import { build, transform } from "esbuild";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const target = ["es2022", "chrome111", "firefox115", "safari16.4"];

/** A style sheet becomes its text, without comments and space. */
const cssText = {
  name: "css-text",
  setup(/** @type {import("esbuild").PluginBuild} */ builder) {
    builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const { code } = await transform(source, { loader: "css", minify: true, target, charset: "utf8" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

await build({
  absWorkingDir: root,
  entryPoints: ["src/widget.js"],
  outfile: join(resolve(root, process.argv[2] ?? "dist"), "widget.js"),
  bundle: true,
  format: "iife",
  target,
  minify: true,
  charset: "utf8",
  legalComments: "inline",
  plugins: [cssText],
  tsconfigRaw: {}, // tsconfig.json is for checking; the script must not depend on it
  banner: {
    js: "/* Prosa chat widget. Contains streaming-markdown 0.2.15, (c) Damian Tarnawski, MIT licence. Source: static/src. */",
  },
});
