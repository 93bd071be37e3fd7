// What the component uses of @asyncapi/parser: the models over a parsed document. Parsing and checking stay out.

export {
  isAsyncAPIDocument,
  isOldAsyncAPIDocument,
  isStringifiedDocument,
  toAsyncAPIDocument,
} from "./node_modules/@asyncapi/parser/esm/document.js";
export { SchemaV2 } from "./node_modules/@asyncapi/parser/esm/models/index.js";
export { unstringify } from "./node_modules/@asyncapi/parser/esm/stringify.js";
