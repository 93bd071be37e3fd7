/** Folds a log from the standard input (`{"epoch", "events"}`) and writes the view, for a comparison with the server's. */
import { readFileSync } from "node:fs";
import { apply, fromSnapshot } from "../src/fold.js";

const { epoch, events } = JSON.parse(readFileSync(0, "utf8"));
const view = fromSnapshot({ type: "session.snapshot", epoch, seq: 0, messages: [], more: false, queue: [] }, null);
for (const event of events) {
  if (!apply(view, event)) throw new Error(`event ${event.seq} does not fit`);
}
const { details: _details, ...shown } = view;
process.stdout.write(JSON.stringify(shown));
