// What the bundle gives to the page: `ProsaLiveViewer.render(properties, element)`.

import AsyncApi from "@asyncapi/react-component/lib/esm/without-parser.js";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

/** Show a resolved AsyncAPI document, `{ schema, config }`, inside an element. */
export function render(properties, element) {
  createRoot(element).render(createElement(AsyncApi, properties));
}
