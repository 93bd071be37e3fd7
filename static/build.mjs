/**
 * Builds `dist/widget.js` from `src/widget.js`: one classic script, no imports, the same bytes on every machine.
 *
 * `node build.mjs [folder]` writes into another folder (default `dist`), so that a test can compare.
 */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";

const root = fileURLToPath(new URL(".", import.meta.url));

await build({
  absWorkingDir: root,
  entryPoints: ["src/widget.js"],
  outfile: join(resolve(root, process.argv[2] ?? "dist"), "widget.js"),
  bundle: true,
  format: "iife",
  target: ["es2022", "chrome111", "firefox115", "safari16.4"],
  minify: true,
  charset: "utf8",
  legalComments: "inline",
  loader: { ".css": "text" },
  banner: {
    js: "/* Prosa chat widget. Contains streaming-markdown 0.2.15, (c) Damian Tarnawski, MIT licence. Source: static/src. */",
  },
});
