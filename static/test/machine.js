/** Drives the session machine as a server would, for the tests. Time is a number that tests set. */
import { Session } from "../src/session.js";

export class Peer {
  constructor(options = {}) {
    this.now = 1_000_000;
    let count = 0;
    this.session = new Session({ newId: () => `cid-${++count}`, now: this.now, ...options });
    this.sent = [];
    this.actions = [];
    this.seq = 0;
  }

  /** Take what the machine gave back. */
  took(actions) {
    this.actions.push(...actions);
    this.sent.push(...actions.filter((action) => action.kind === "send").map((action) => action.frame));
    return actions;
  }

  /** All frames of a type that the machine sent. */
  of(type) {
    return this.sent.filter((frame) => frame.type === type);
  }

  say(...frames) {
    return this.took(this.session.received(JSON.stringify(frames.length === 1 ? frames[0] : frames), this.now));
  }

  connect() {
    return this.took(this.session.connected(this.now, { user_id: "ana" }));
  }

  opened({ epoch = "e1", recovered = false } = {}) {
    const re = this.of("session.open").at(-1).cid;
    return this.say({ type: "session.opened", re, session_id: "ses_1", user_id: "ana", epoch, head: 0, recovered });
  }

  snapshot({ epoch = "e1", seq = 0, messages = [], ...more } = {}) {
    return this.say({ type: "session.snapshot", session_id: "ses_1", epoch, seq, messages, more: false, queue: [], ...more });
  }

  live() {
    return this.say({ type: "session.live", session_id: "ses_1", seq: 0 });
  }

  /** Connected, empty, live. */
  begin() {
    this.connect();
    this.opened();
    this.snapshot();
    this.live();
    return this;
  }

  event(type, seq, fields = {}) {
    return { type, session_id: "ses_1", seq, ts: 1, ...fields };
  }

  tick(ms) {
    this.now += ms;
    return this.took(this.session.tick(this.now));
  }
}

/** The events of one answered question, from seq 1. */
export function answeredQuestion(peer, cid = "other") {
  return [
    peer.event("message.created", 1, { message_id: "m1", turn_id: "t1", role: "user", content: "Oi", channel: "web", re: cid }),
    peer.event("turn.queued", 2, { turn_id: "t1", message_ids: ["m1"], position: 0 }),
    peer.event("turn.started", 3, { turn_id: "t1", agent: "a", attempt: 1 }),
    peer.event("message.started", 4, { turn_id: "t1", message_id: "m2", role: "assistant", channel: "web" }),
    peer.event("message.delta", 5, { message_id: "m2", off: 0, text: "Olá 👋" }),
    peer.event("message.delta", 6, { message_id: "m2", off: 5, text: ", tudo bem?" }),
    peer.event("message.completed", 7, { message_id: "m2", length: 16, sha256: "", finish_reason: "stop" }),
    peer.event("turn.completed", 8, { turn_id: "t1", message_id: "m2", usage: { total: 3 }, duration_ms: 1, ttft_ms: 1, steps: 1, tools: [] }),
  ];
}
