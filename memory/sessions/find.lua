-- Where a session's log stands and whose it is.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user, or '' for any of the tenant
-- Reply: {'ok', session, epoch, seq, user} | not_found | erased | stale_instance (with user as third)
local sid = ARGV[2]
local meta, wrong = open_session(sid)
local owner = redis.call('HMGET', TAG .. 's:' .. sid, 'tenant', 'user_id')
if owner[1] ~= ARGV[3] or (ARGV[4] ~= '' and owner[2] ~= ARGV[4]) then return {'not_found', sid} end
if wrong then
  wrong[3] = owner[2]
  return wrong
end
return {'ok', sid, meta.epoch, meta.seq, meta.user_id}
