// Fills ../vendor from the packages that package-lock.json pins: `npm ci && npm run build`.
//
// Swagger UI's files are copied as published. The AsyncAPI component is bundled here, because both of its published
// browser builds compile JSON Schemas with Ajv as soon as they load, which a content policy without 'unsafe-eval'
// forbids (asyncapi/asyncapi-react issues 725, 741, 1187). Left out are its parser, validator and meta schemas:
// our document is made by our server, and `../live.js` resolves its references.

import { build } from "esbuild";
import { appendFile, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "node_modules");
const vendor = join(here, "..", "vendor");

const SWAGGER_UI = ["swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE"];
const LEFT_OUT = /^@asyncapi\/specs$|^@stoplight\/(spectral-core|types)$/;

const withoutParser = {
  name: "without-parser",
  setup(bundler) {
    const leftOut = { path: join(here, "left-out.js") };
    bundler.onResolve({ filter: /^@asyncapi\/parser(\/cjs\/document)?$/ }, () => ({ path: join(here, "parser.js") }));
    bundler.onResolve({ filter: LEFT_OUT }, () => leftOut);
    bundler.onResolve({ filter: /^\.\/parser$/ }, ({ importer }) =>
      importer.includes(join("react-component", "lib", "esm", "helpers")) ? leftOut : undefined,
    );
  },
};

/** Fields are what a reader comes for: the payload of each message starts unfolded, and what it holds folded. */
const UNFOLDED = {
  "containers/Messages/Message.js": ['{ schemaName: "Payload",', '{ schemaName: "Payload", expanded: true,'],
  "components/Schema/Schema.js": ["setExpanded(deepExpand);", "setExpanded(deepExpand || propExpanded);"],
};

const unfoldedPayload = {
  name: "unfolded-payload",
  setup(bundler) {
    for (const [file, [original, ours]] of Object.entries(UNFOLDED)) {
      const path = join(packages, "@asyncapi/react-component/lib/esm", file);
      const filter = new RegExp(`/${file.replaceAll(".", "\\.")}$`);
      bundler.onLoad({ filter }, async () => {
        const source = await readFile(path, "utf8");
        if (!source.includes(original)) throw new Error(`${file} has changed: ${original} is gone`);
        return { contents: source.replace(original, ours) };
      });
    }
  },
};

async function buildLiveViewer(folder) {
  const result = await build({
    entryPoints: [join(here, "entry.js")],
    outfile: join(folder, "live-viewer.js"),
    absWorkingDir: here,
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "ProsaLiveViewer",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
    legalComments: "none",
    banner: { js: "/*! Licences of all that is in here: LICENSES.txt beside this file. */" },
    metafile: true,
    plugins: [withoutParser, unfoldedPayload],
  });
  await copyFile(join(packages, "@asyncapi/react-component/styles/default.min.css"), join(folder, "default.min.css"));
  await writeLicenses(Object.values(result.metafile.outputs)[0].inputs, join(folder, "LICENSES.txt"));
}

/** Name, version, licence and licence text of each package that gave bytes to the bundle. */
async function writeLicenses(inputs, path) {
  const used = Object.entries(inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([file]) => file.match(/(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1]);
  const folders = [...new Set(used.filter(Boolean))].sort();
  await writeFile(path, "What live-viewer.js is made of.\n");
  for (const folder of folders) await appendFile(path, await licenseOf(join(here, folder)));
}

async function licenseOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const texts = ["LICENSE", "LICENSE.md", "LICENCE", "LICENSE.txt", "license", "NOTICE"].map((file) =>
    readFile(join(folder, file), "utf8").catch(() => ""),
  );
  const found = [...new Set(await Promise.all(texts))].filter(Boolean).join("\n");
  return `\n${"=".repeat(100)}\n${name} ${version}, ${license}\n${"=".repeat(100)}\n${found || `(The package has no licence file; the text of ${license} stands under another package here.)\n`}`;
}

async function copySwaggerUi(folder) {
  await Promise.all(SWAGGER_UI.map((file) => copyFile(join(packages, "swagger-ui-dist", file), join(folder, file))));
}

for (const [name, fill] of Object.entries({ "swagger-ui": copySwaggerUi, asyncapi: buildLiveViewer })) {
  const folder = join(vendor, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await fill(folder);
}
