-- End a session's log with `session.merged`; from here on nothing is accepted for it, and the rest of the merge is on
-- the list of what is to be done.
-- KEYS[1] partition prefix (of the session that ends)
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 into  6 until when that one is promised, ms  7 task
-- Reply: {'ok', session} | again (it was) | elsewhere | busy | late | not_found | erased | stale_instance
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
if meta.moved then return {meta.moved == ARGV[5] and 'again' or 'elsewhere', sid} end
local now = now_ms()
if now >= tonumber(ARGV[6]) then return {'late', sid} end
if meta.current ~= '' or redis.call('LLEN', TAG .. 'i:' .. sid) > 0 then return {'busy', sid} end
if redis.call('ZCOUNT', TAG .. 'rv:' .. sid, whole(now), '+inf') > 0 then return {'busy', sid} end
local event = '{"type":"session.merged","session_id":' .. cjson.encode(sid) .. ',"ts":' .. whole(now) ..
  ',"into":' .. cjson.encode(ARGV[5]) .. '}'
local seq = add_events(sid, meta.epoch, tonumber(meta.seq), {event})
redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq), 'moved', ARGV[5])
redis.call('ZADD', TAG .. 'merges', whole(now), ARGV[7])
keep_session(sid)
return {'ok', sid}
