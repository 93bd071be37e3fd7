import assert from "node:assert/strict";
import { test } from "node:test";
import { Peer, answeredQuestion } from "./machine.js";

const text = (peer) => peer.session.view.messages.at(-1).content;

test("a connection opens the session before anything else", () => {
  const peer = new Peer({ name: "support" });
  peer.session.say("Oi", peer.now);
  peer.connect();
  assert.equal(peer.sent.length, 1);
  assert.equal(peer.sent[0].type, "session.open");
  assert.equal(peer.sent[0].session_id, "support");
  assert.equal(peer.sent[0].user_id, "ana");
  assert.equal(peer.sent[0].resume, undefined);
});

test("events are folded in order, one frame or an array of them, counting code points", () => {
  const peer = new Peer().begin();
  peer.say(...answeredQuestion(peer));
  assert.equal(text(peer), "Olá 👋, tudo bem?");
  assert.equal(peer.session.view.seq, 8);
  assert.equal(peer.session.view.turn, null);
});

test("an event that came before is dropped", () => {
  const peer = new Peer().begin();
  const events = answeredQuestion(peer);
  peer.say(...events.slice(0, 6));
  peer.say(...events.slice(3, 7));
  assert.equal(text(peer), "Olá 👋, tudo bem?");
});

test("a gap opens the session anew from the cursor, on the same connection, once", () => {
  const peer = new Peer().begin();
  const events = answeredQuestion(peer);
  peer.say(...events.slice(0, 4));
  peer.say(events[5]);
  peer.say(events[6]);
  assert.equal(peer.of("session.open").length, 2);
  assert.deepEqual(peer.sent.at(-1).resume, { epoch: "e1", seq: 4 });
  peer.opened({ recovered: true });
  peer.say(...events.slice(4));
  peer.live();
  assert.equal(text(peer), "Olá 👋, tudo bem?");
});

test("gap after gap asks for a snapshot in the end", () => {
  const peer = new Peer().begin();
  const events = answeredQuestion(peer);
  for (let round = 0; round < 3; round += 1) {
    peer.say(events[7]);
    peer.opened({ recovered: true });
    peer.live();
  }
  assert.equal(peer.of("session.open").at(-1).resume, undefined);
});

test("a reconnect resumes where the cursor stands", () => {
  const peer = new Peer().begin();
  const events = answeredQuestion(peer);
  peer.say(...events.slice(0, 5));
  peer.took(peer.session.disconnected(1006));
  peer.connect();
  assert.deepEqual(peer.sent.at(-1).resume, { epoch: "e1", seq: 5 });
  assert.equal(peer.sent.at(-1).session_id, "ses_1");
  peer.opened({ recovered: true });
  peer.say(...events.slice(4));
  peer.live();
  assert.equal(text(peer), "Olá 👋, tudo bem?");
});

test("no event is applied between a refused resume and its snapshot", () => {
  const peer = new Peer().begin();
  peer.say(answeredQuestion(peer)[0]);
  peer.took(peer.session.disconnected(1006));
  peer.connect();
  peer.opened({ epoch: "e2" });
  peer.say(peer.event("turn.queued", 2, { turn_id: "t9", message_ids: [] }));
  assert.deepEqual(peer.session.view.queue, []);
  peer.snapshot({ epoch: "e2", seq: 40 });
  assert.deepEqual([peer.session.view.epoch, peer.session.view.seq], ["e2", 40]);
});

test("a message whose length is not the announced one is fetched whole", () => {
  const peer = new Peer().begin();
  const events = answeredQuestion(peer);
  peer.say(...events.slice(0, 6), { ...events[6], length: 99 });
  assert.equal(peer.sent.at(-1).type, "session.open");
  assert.equal(peer.sent.at(-1).resume, undefined);
});

test("an unknown event moves the cursor, an unknown signal does nothing, garbage is ignored", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.received("not json", peer.now));
  peer.took(peer.session.received('[1, null, {"no":"type"}, "x"]', peer.now));
  peer.say({ type: "weather.reported", degrees: 21 });
  peer.say(peer.event("sun.rose", 1));
  assert.equal(peer.session.view.seq, 1);
  assert.equal(peer.of("session.open").length, 1);
});

test("events of another session are ignored", () => {
  const peer = new Peer().begin();
  peer.say({ ...peer.event("turn.started", 1, { turn_id: "t1", attempt: 1 }), session_id: "ses_2" });
  assert.equal(peer.session.view.seq, 0);
});

test("messages leave one at a time and in order", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.took(peer.session.say("two", peer.now));
  assert.deepEqual(peer.of("message.send").map((frame) => frame.content), ["one"]);
  peer.say({ type: "ok", re: peer.of("message.send")[0].cid, turn_id: "t1", seq: 1 });
  assert.deepEqual(peer.of("message.send").map((frame) => frame.content), ["one", "two"]);
});

test("what had no answer when the connection broke goes again with the same cid", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.took(peer.session.disconnected(1006));
  peer.connect();
  peer.opened({ recovered: true });
  peer.live();
  const [first, second] = peer.of("message.send");
  assert.equal(second.cid, first.cid);
});

test("a retryable error is repeated with the same cid, no sooner than the server says", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.say({ type: "error", re: peer.sent.at(-1).cid, code: "rate_limited", message: "", retryable: true, retry_after_ms: 4000 });
  peer.tick(3000);
  assert.equal(peer.of("message.send").length, 1);
  peer.tick(1500);
  assert.equal(peer.of("message.send").length, 2);
  assert.equal(peer.of("message.send")[1].cid, peer.of("message.send")[0].cid);
});

test("an error that is not retryable stays with the message and lets the next one go", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.took(peer.session.say("two", peer.now));
  peer.say({ type: "error", re: peer.sent.at(-1).cid, code: "content_blocked", message: "no", retryable: false });
  assert.equal(peer.session.outbox.items[0].error.code, "content_blocked");
  assert.equal(peer.of("message.send").at(-1).content, "two");
});

test("a new epoch that lacks an accepted message gets it again, same cid, within 60 s", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  const { cid } = peer.sent.at(-1);
  peer.say({ type: "ok", re: cid, turn_id: "t1", seq: 1 });
  peer.now += 59_000;
  peer.snapshot({ epoch: "e2" });
  assert.deepEqual(peer.of("message.send").map((frame) => frame.cid), [cid, cid]);
});

test("a new epoch that has the accepted message gets nothing", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  const { cid } = peer.sent.at(-1);
  peer.say({ type: "ok", re: cid, turn_id: "t1", seq: 1 });
  peer.snapshot({ epoch: "e2", messages: [{ message_id: "m1", turn_id: "t1", role: "user", content: "one", re: cid }] });
  assert.equal(peer.of("message.send").length, 1);
});

test("an accepted message is forgotten after 60 s", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.say({ type: "ok", re: peer.sent.at(-1).cid, turn_id: "t1", seq: 1 });
  peer.tick(61_000);
  assert.equal(peer.session.outbox.items.length, 0);
  peer.snapshot({ epoch: "e2" });
  assert.equal(peer.of("message.send").length, 1);
});

test("a saved message of yesterday is not sent by itself", () => {
  const saved = [{ cid: "old", text: "late", createdAt: 1_000_000 - 24 * 3_600_000, state: "waiting" }];
  const peer = new Peer({ saved }).begin();
  assert.equal(peer.of("message.send").length, 0);
  assert.equal(peer.session.outbox.items[0].error.code, "expired");
});

test("a frame that was too big is not sent again", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("x".repeat(9), peer.now));
  peer.took(peer.session.disconnected(1009));
  assert.equal(peer.session.outbox.items[0].state, "refused");
});

test("what a merged session has accepted is not sent to the one in which it goes on", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("Oi", peer.now));
  const { cid } = peer.sent.at(-1);
  peer.say({ type: "ok", re: cid, message_id: "m1", turn_id: "t1", seq: 1, position: 0 });
  peer.say(peer.event("session.merged", 1, { into: "ses_2" }));
  assert.equal(peer.session.sessionId, "ses_2");
  assert.deepEqual(peer.session.outbox.items, []);
});

test("a moved session is followed, and the message goes there", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.say({ type: "error", re: peer.sent.at(-1).cid, code: "moved", session_id: "ses_2", message: "", retryable: false });
  assert.equal(peer.sent.at(-1).session_id, "ses_2");
  const re = peer.sent.at(-1).cid;
  peer.say({ type: "session.opened", re, session_id: "ses_2", epoch: "z", recovered: false });
  peer.say({ type: "session.snapshot", session_id: "ses_2", epoch: "z", seq: 1, messages: [] }, { type: "session.live" });
  assert.equal(peer.of("message.send").at(-1).session_id, "ses_2");
});

test("a refused but retryable open is repeated on the same connection", () => {
  const peer = new Peer();
  peer.connect();
  peer.say({ type: "error", re: peer.sent[0].cid, code: "internal", message: "", retryable: true });
  peer.tick(1100);
  assert.equal(peer.of("session.open").length, 2);
});

test("an unauthorized open asks for another credential", () => {
  const peer = new Peer();
  peer.connect();
  peer.say({ type: "error", re: peer.sent[0].cid, code: "unauthorized", message: "", retryable: false });
  assert.ok(peer.actions.some((action) => action.kind === "renew"));
});

test("a ping is answered with its t", () => {
  const peer = new Peer().begin();
  peer.say({ type: "ping", t: 7 });
  assert.deepEqual(peer.sent.at(-1), { type: "pong", t: 7 });
});

test("after sleep the connection has 3 s to show that it lives", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.wake(peer.now));
  assert.equal(peer.sent.at(-1).type, "ping");
  peer.tick(2_900);
  assert.ok(!peer.actions.some((action) => action.kind === "close"));
  peer.tick(200);
  assert.deepEqual(peer.actions.at(-1), { kind: "close", why: "probe" });
});

test("any frame is a sign of life", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.wake(peer.now));
  peer.say({ type: "pong" });
  peer.tick(5_000);
  assert.ok(!peer.actions.some((action) => action.kind === "close"));
});

test("silence for the interval and 10 s more ends the connection, with one ping in between", () => {
  const peer = new Peer().begin();
  peer.tick(26_000);
  peer.tick(5_000);
  assert.equal(peer.of("ping").length, 1);
  peer.tick(4_500);
  assert.deepEqual(peer.actions.at(-1), { kind: "close", why: "silence" });
});

test("older messages go above, once, and replaced answers stay out", () => {
  const peer = new Peer();
  peer.connect();
  peer.opened();
  peer.snapshot({ seq: 9, messages: [{ message_id: "m9", role: "user", content: "9" }], more: true });
  peer.live();
  peer.took(peer.session.loadOlder());
  peer.took(peer.session.loadOlder());
  assert.equal(peer.of("history.get").length, 1);
  const re = peer.sent.at(-1).cid;
  const page = [{ message_id: "m7", role: "assistant", content: "7", replaced_by: "m8" }, { message_id: "m8", role: "user", content: "8" }];
  peer.say({ type: "history", re, messages: page, more: true });
  assert.deepEqual(peer.session.view.messages.map((message) => message.message_id), ["m8", "m9"]);
  peer.took(peer.session.loadOlder());
  assert.equal(peer.sent.at(-1).before, "m7");
});

test("a cancel that had no answer is repeated after a reconnect", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.ask({ type: "turn.cancel", turn_id: "t1" }));
  assert.ok(peer.session.isPending("turn.cancel", "t1"));
  peer.took(peer.session.disconnected(1006));
  peer.connect();
  peer.opened({ recovered: true });
  peer.live();
  assert.equal(peer.of("turn.cancel").length, 2);
});

test("an erased session leaves nothing to send", () => {
  const peer = new Peer().begin();
  peer.took(peer.session.say("one", peer.now));
  peer.say({ type: "session.erased", session_id: "ses_1" });
  assert.deepEqual(peer.session.outbox.items, []);
  assert.equal(peer.session.view, null);
});

/** A turn that is parked for its user's approval, from seq 1. */
function parkedTurn(peer) {
  return [
    ...answeredQuestion(peer).slice(0, 3),
    peer.event("approval.requested", 4, { turn_id: "t1", approval_id: "a1", call_id: "c1", name: "act", title: "Act", reason: "?", approver: "user", expires_at: 9 }),
    peer.event("turn.waiting", 5, { turn_id: "t1", approval_id: "a1" }),
  ];
}

const parkedSnapshot = { epoch: "e2", seq: 0, turn: { turn_id: "t1", state: "parked", attempt: 1, message_id: null, tools: [], approvals: [{ approval_id: "a1" }] } };

test("an approval counts as answered until the server refuses the answer", () => {
  const peer = new Peer().begin();
  peer.say(...parkedTurn(peer));
  peer.took(peer.session.ask({ type: "approval.respond", approval_id: "a1", approved: true }));
  assert.equal(peer.session.isAnswered("a1"), true);
  const { cid, approved } = peer.of("approval.respond")[0];
  assert.equal(approved, true);
  peer.say({ type: "error", re: cid, code: "internal", message: "", retryable: true });
  assert.equal(peer.session.isAnswered("a1"), false);
  assert.equal(peer.actions.at(-1).kind, "notice");
});

test("an approval that a new epoch still asks for may be answered again, unless the answer is under way", () => {
  const peer = new Peer().begin();
  peer.say(...parkedTurn(peer));
  peer.took(peer.session.ask({ type: "approval.respond", approval_id: "a1", approved: true }));
  peer.snapshot(parkedSnapshot);
  assert.equal(peer.session.isAnswered("a1"), true);
  peer.say({ type: "ok", re: peer.of("approval.respond")[0].cid, state: "approved" });
  peer.snapshot({ ...parkedSnapshot, epoch: "e3" });
  assert.equal(peer.session.isAnswered("a1"), false);
});

test("an answer that was not the first says so", () => {
  const peer = new Peer().begin();
  peer.say(...parkedTurn(peer));
  peer.took(peer.session.ask({ type: "approval.respond", approval_id: "a1", approved: true }));
  peer.say({ type: "ok", re: peer.of("approval.respond")[0].cid, state: "expired" });
  assert.equal(peer.actions.at(-1).code, "decided");
});

test("who did not allow a call is remembered with its turn", () => {
  const peer = new Peer().begin();
  peer.say(...parkedTurn(peer), peer.event("approval.resolved", 6, { approval_id: "a1", approved: false, by: "timeout" }));
  assert.deepEqual(peer.session.view.details.get("t1").refusals, { c1: "timeout" });
  assert.deepEqual(peer.session.view.turn.approvals, []);
});
