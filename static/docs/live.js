// Shows the AsyncAPI document with the AsyncAPI project's component (vendor/asyncapi).
//
// The component without its parser wants a parsed document: what `$ref` points at in its place, with the marks
// (`x-parser-...`) that the parser would leave. That much is done here.

const DOCUMENT = "/docs/asyncapi.json";

/** Follow a JSON pointer such as `#/components/schemas/Ok`. */
function follow(root, pointer) {
  const names = pointer.slice(2).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  return names.reduce((node, name) => node[name], root);
}

/**
 * What each message goes by: its wire type, such as `turn.started`, for that is what a client sees. Where both sides
 * send a type, the second one's own name is added.
 */
function labelsOf(messages) {
  const labels = new Map();
  const taken = new Set();
  for (const [key, { name }] of Object.entries(messages)) {
    labels.set(key, taken.has(name) ? `${name} (${key})` : name);
    taken.add(name);
  }
  return labels;
}

/** Marks for what a pointer leads to: the component names, compares and links objects by them. */
function marksOf(pointer, labels) {
  const [, kind, key] = pointer.match(/\/(schemas|messages|channels)\/([^/]+)$/) ?? [];
  if (kind === "schemas") return { "x-parser-schema-id": key };
  if (kind === "channels") return { "x-parser-unique-object-id": key };
  if (kind !== "messages") return {};
  const label = labels.get(key);
  return { name: label, title: label, "x-parser-message-name": label, "x-parser-unique-object-id": label };
}

/** A copy of the document in which every `$ref` is replaced; the same pointer gives the same object each time. */
function resolved(root) {
  const labels = labelsOf(root.components.messages);
  const known = new Map();

  function copy(node) {
    if (Array.isArray(node)) return node.map(copy);
    if (node === null || typeof node !== "object") return node;
    if (typeof node.$ref === "string") return target(node.$ref);
    return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, copy(value)]));
  }

  function target(pointer) {
    const original = follow(root, pointer);
    if (typeof original.$ref === "string") return target(original.$ref);
    if (!known.has(pointer)) {
      const object = {};
      known.set(pointer, object); // before it is filled: a schema may hold itself
      Object.assign(object, copy(original), marksOf(pointer, labels));
    }
    return known.get(pointer);
  }

  const messages = Object.keys(root.components.messages).map((key) => target(`#/components/messages/${key}`));
  const channels = Object.keys(root.channels).map((key) => [key, target(`#/channels/${key}`)]);
  const whole = { ...copy(root), channels: Object.fromEntries(channels) };
  whole.components.messages = byLabel(messages);
  for (const [, channel] of channels) channel.messages = byLabel(Object.values(channel.messages));
  return { ...whole, "x-parser-spec-parsed": true, "x-parser-api-version": 3 };
}

/** Messages under their labels: the keys become headings and anchors. */
function byLabel(messages) {
  return Object.fromEntries(messages.map((message) => [message.name, message]));
}

async function show() {
  const place = document.getElementById("live");
  const response = await fetch(DOCUMENT);
  if (!response.ok) throw new Error(`${DOCUMENT} answered ${response.status}`);
  const config = {
    show: { sidebar: true, messageExamples: true, schemas: false }, // each schema stands where it is used
    expand: { messageExamples: true },
    receiveLabel: "CLIENT",
    sendLabel: "SERVER",
  };
  window.ProsaLiveViewer.render({ schema: resolved(await response.json()), config }, place);
}

show().catch((error) => {
  document.getElementById("live").textContent = `The document could not be shown: ${error.message}`;
});
