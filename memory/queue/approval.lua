-- An approval of a session.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 approval
-- Reply: {'ok', session, turn, call, tool, approver, state, expires ms} | unknown_approval | not_found | erased |
--        stale_instance
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
local a = redis.call('HMGET', TAG .. 'a:' .. ARGV[5], 'session_id', 'turn_id', 'call_id', 'name', 'approver', 'state',
  'expires_ms')
if a[1] ~= sid then return {'unknown_approval', sid} end
return {'ok', sid, a[2], a[3], a[4], a[5], a[6], a[7]}
