-- Answer an approval, once a cid; the first answer wins. One that comes after the time is over is too late, though
-- nobody has said so yet.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 cid key  6 digest  7 how long the reply is kept, s  8 approval
--       9 '1' approved or '0'  10 by  11 JSON members for the journal, each after a comma
-- Reply: {'accepted', session, reply} | {'duplicate', session, reply} | conflict | unknown_approval | not_found |
--        erased | stale_instance
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
local again = remembered(sid, ARGV[5], ARGV[6])
if again then return again end
local approval = approval_of(ARGV[8])
if not approval or approval.session_id ~= sid then return {'unknown_approval', sid} end
local state = approval.state
if state == 'pending' then
  local approved, by, said = ARGV[9] == '1', ARGV[10], ARGV[11]
  state = approved and 'approved' or 'declined'
  if now_ms() >= tonumber(approval.expires_ms) then
    approved, by, said, state = false, 'timeout', '', 'expired'
  end
  local bodies = {}
  say_resolved(bodies, approval, approved, by)
  local seq = add_events(sid, meta.epoch, tonumber(meta.seq), bodies)
  redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq))
  resume(meta, approval, state, approved, by, said)
end
local reply = '{"state":' .. cjson.encode(state) .. '}'
remember(sid, ARGV[5], ARGV[6], reply, tonumber(ARGV[7]))
keep_session(sid)
return {'accepted', sid, reply}
