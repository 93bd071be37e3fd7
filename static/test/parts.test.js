import assert from "node:assert/strict";
import { test } from "node:test";
import { accentColors, contrast, parseHex } from "../src/color.js";
import { safeLink } from "../src/links.js";
import { reconnectDelayMs, verdictOn } from "../src/reconnect.js";
import { rowsOf } from "../src/rows.js";
import { errorKey, pickLanguage, strings, Translator } from "../src/strings.js";
import { cleanInput, codePointLength, takeCodePoints } from "../src/text.js";
import { Peer, answeredQuestion } from "./machine.js";

test("text is counted and cut in code points", () => {
  assert.equal(codePointLength("a👋b"), 3);
  assert.equal(codePointLength("\ud83d"), 1);
  assert.equal(takeCodePoints("a👋b", 2), "a👋");
  assert.equal(takeCodePoints("ab", 9), "ab");
});

test("input loses NUL, lone surrogates and blank edges", () => {
  assert.equal(cleanInput("  a\u0000b\ud800 👋 \n"), "ab\ufffd 👋");
});

for (const [address, expected] of [
  ["https://a.example/x", "https://a.example/x"],
  ["mailto:a@b.example", "mailto:a@b.example"],
  ["javascript:alert(1)", null],
  [" JaVa\nScRiPt:alert(1)", null],
  ["data:text/html,x", null],
  ["vbscript:x", null],
  ["blob:https://a.example/1", null],
  ["file:///etc/passwd", null],
  ["/admin", null],
  ["//a.example", null],
]) {
  test(`link ${JSON.stringify(address)}: ${expected === null ? "refused" : "kept"}`, () => {
    assert.equal(safeLink(address), expected);
  });
}

for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4002, 4003, 4005, 4006, 4008, 4321]) {
  test(`close code ${code}: come back`, () => assert.equal(verdictOn(code).again, true));
}
for (const code of [1000, 1002, 1007, 1008, 4500, 4501, 4502, 4503, 4504, 4506, 4999]) {
  test(`close code ${code}: do not come back`, () => assert.equal(verdictOn(code).again, false));
}

test("reconnects wait from 0.5 to 30 s, with full jitter, for ever", () => {
  assert.equal(reconnectDelayMs(0, () => 0), 500);
  assert.equal(reconnectDelayMs(0, () => 1), 1_000);
  assert.equal(reconnectDelayMs(3, () => 1), 8_000);
  assert.equal(reconnectDelayMs(5_000, () => 1), 30_000);
  assert.equal(reconnectDelayMs(5_000, () => 0), 500);
});

for (const accent of ["#000000", "#ffffff", "#ffeb3b", "#0f6b63", "#e11d48", "#777777", "#fbfaf7"]) {
  for (const surface of [[251, 250, 247], [24, 23, 21]]) {
    test(`accent ${accent} reads on ${surface}`, () => {
      const { fill, ink, onFill } = accentColors(parseHex(accent), surface);
      assert.ok(contrast(parseHex(ink), surface) >= 4.5);
      assert.ok(contrast(parseHex(onFill), parseHex(fill)) >= 4.5);
    });
  }
}

test("a colour that is none is refused", () => {
  assert.deepEqual(parseHex("#fa0"), [255, 170, 0]);
  assert.equal(parseHex("red; background: url(x)"), null);
});

test("the first language that there is wins, Portuguese is the default", () => {
  assert.equal(pickLanguage([undefined, "de-DE", "es-MX", "en"]), "es");
  assert.equal(pickLanguage(["fr"]), "pt");
});

for (const language of ["pt", "en", "es"]) {
  test(`every sentence exists in ${language}, with the same blanks`, () => {
    const blanks = (sentence) => [...sentence.matchAll(/\{\w+\}/g)].map(String).toSorted();
    for (const [key, sentence] of Object.entries(strings.en)) {
      assert.ok(strings[language][key]);
      assert.deepEqual(blanks(strings[language][key]), blanks(sentence));
    }
  });
}

test("numbers follow the locale, unknown errors have a sentence", () => {
  assert.equal(new Translator("pt", "pt-BR").say("tokens", { count: "1" }), "1 tokens");
  assert.equal(new Translator("pt", "pt-BR").number(1234.5), "1.234,5");
  assert.equal(errorKey("never_heard_of"), "errInternal");
});

test("an answer stands under its question though another question came before it", () => {
  const peer = new Peer().begin();
  const events = answeredQuestion(peer);
  const second = { message_id: "m3", turn_id: "t2", role: "user", content: "E?", channel: "web" };
  peer.say(...events.slice(0, 3), peer.event("message.created", 4, second));
  peer.say(peer.event("turn.queued", 5, { turn_id: "t2", message_ids: ["m3"], position: 1 }));
  peer.say(...events.slice(3).map((event) => ({ ...event, seq: event.seq + 2 })).slice(0, 2));
  const rows = rowsOf(peer.session.view, []);
  assert.deepEqual(rows.map((row) => row.key), ["re:other", "turn:t1", "m3"]);
  assert.equal(rows[2].queued, "t2");
});

test("a question whose turn was not announced yet is being answered, not left without an answer", () => {
  const peer = new Peer().begin();
  peer.say(answeredQuestion(peer, "c1")[0]);
  const rows = rowsOf(peer.session.view, []);
  assert.deepEqual(rows.filter((row) => row.kind === "answer").map((row) => row.running), [true]);
});

test("a message that waits is a row, and becomes the log's without changing its key", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("Oi", peer.now));
  const before = rowsOf(peer.session.view, peer.session.outbox.items);
  peer.say(answeredQuestion(peer, peer.sent.at(-1).cid)[0]);
  const after = rowsOf(peer.session.view, peer.session.outbox.items);
  assert.equal(before[0].key, after[0].key);
  assert.equal(after.filter((row) => row.kind === "user").length, 1);
});

test("a retry takes the old answer out and puts the new one under the same question", () => {
  const peer = new Peer().begin();
  peer.say(...answeredQuestion(peer));
  peer.say(peer.event("turn.queued", 9, { turn_id: "t2", message_ids: ["m1"], retry_of: "t1", position: 0 }));
  peer.say(peer.event("turn.started", 10, { turn_id: "t2", agent: "a", attempt: 1 }));
  assert.deepEqual(rowsOf(peer.session.view, []).map((row) => row.key), ["re:other", "turn:t2"]);
});

test("a tool's argument has a name for people, known or made of its own", () => {
  const words = new Translator("pt", "pt-BR");
  assert.equal(words.argument("due_date"), "Prazo");
  assert.equal(words.argument("top_deals"), "Top deals");
  assert.equal(words.argument("constructor"), "Constructor");
});
