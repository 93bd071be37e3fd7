-- A run gives its turn back: ready at once, in front, and the run does not count.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 turn  4 fence  5 nonce
-- Reply: {'ok', session} | stale | not_found | erased | stale_instance
local sid, turn_id = ARGV[2], ARGV[3]
local meta, wrong = open_session(sid)
if not meta then return wrong end
if meta.current ~= turn_id or meta.fence ~= ARGV[4] or meta.nonce ~= ARGV[5] then return {'stale', sid} end
redis.call('HSET', TAG .. 's:' .. sid, 'nonce', '')
redis.call('HINCRBY', TAG .. 't:' .. turn_id, 'attempt', -1) -- the next run is this attempt, also of a resumed run
if free_lease(meta.tenant, turn_id) == 1 then make_ready(meta.tenant, turn_id, true) end
tell('ready')
return {'ok', sid}
