-- Promise that a session is not itself merged away for a while: another is about to go on in it. Two sessions that are
-- merged into each other at once both have such a promise, and neither goes.
-- KEYS[1] partition prefix (of the session that goes on)
-- ARGV: 1 instance  2 session  3 tenant  4 the session that is to go on in it  5 for how long, ms
-- Reply: {'ok', session, user, until_ms} | moved | not_found | erased | {'stale_instance', session, user}
local sid = ARGV[2]
local owner = redis.call('HMGET', TAG .. 's:' .. sid, 'tenant', 'user_id')
if owner[1] ~= ARGV[3] then return {'not_found', sid} end
local meta, wrong = open_session(sid)
if wrong then
  wrong[3] = owner[2]
  return wrong
end
if meta.moved then return {'moved', sid} end
local reserved, ends = TAG .. 'rv:' .. sid, now_ms() + tonumber(ARGV[5])
while redis.call('ZADD', reserved, 'NX', whole(ends), ARGV[4] .. ' ' .. whole(ends)) == 0 do ends = ends + 1 end
redis.call('PEXPIREAT', reserved, whole(ends + 1000))
return {'ok', sid, meta.user_id, whole(ends)}
