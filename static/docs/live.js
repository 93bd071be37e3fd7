// Shows the AsyncAPI document with the AsyncAPI project's component.
//
// The component's full build checks documents with Ajv, which makes code at run time and would need 'unsafe-eval'.
// So this page takes the build without a parser and does the one thing the parser would do here: it puts what
// `$ref` points at in its place, with the marks (`x-parser-...`) by which the component knows a parsed document.

const DOCUMENT = "/docs/asyncapi.json";

/** Follow a JSON pointer such as `#/components/schemas/Ok`. */
function follow(root, pointer) {
  const names = pointer.slice(2).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  return names.reduce((node, name) => node[name], root);
}

/** Marks for what a pointer leads to: the component names, compares and links objects by them. */
function marksOf(pointer) {
  const [, kind, name] = pointer.match(/\/(schemas|messages|channels)\/([^/]+)$/) ?? [];
  if (kind === "schemas") return { "x-parser-schema-id": name };
  if (kind === "messages") return { "x-parser-message-name": name, "x-parser-unique-object-id": name };
  return kind === "channels" ? { "x-parser-unique-object-id": name } : {};
}

/** A copy of the document in which every `$ref` is replaced; the same pointer gives the same object each time. */
export function resolved(root) {
  const known = new Map();

  function copy(node) {
    if (Array.isArray(node)) return node.map(copy);
    if (node === null || typeof node !== "object") return node;
    if (typeof node.$ref === "string") return target(node.$ref);
    return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, copy(value)]));
  }

  function target(pointer) {
    if (!known.has(pointer)) {
      const object = {};
      known.set(pointer, object); // before it is filled: a schema may hold itself
      Object.assign(object, copy(follow(root, pointer)), marksOf(pointer));
    }
    return known.get(pointer);
  }

  const channels = Object.keys(root.channels).map((name) => [name, target(`#/channels/${name}`)]);
  return { ...copy(root), channels: Object.fromEntries(channels), "x-parser-spec-parsed": true, "x-parser-api-version": 3 };
}

async function show() {
  const place = document.getElementById("live");
  const response = await fetch(DOCUMENT);
  if (!response.ok) throw new Error(`${DOCUMENT} answered ${response.status}`);
  const config = {
    show: { sidebar: true, errors: true },
    sidebar: { showOperations: "byDefault", useChannelAddressAsIdentifier: true },
    expand: { messageExamples: true },
  };
  window.AsyncApiStandalone.render({ schema: resolved(await response.json()), config }, place);
}

show().catch((error) => {
  document.getElementById("live").textContent = `The document could not be shown: ${error.message}`;
});
