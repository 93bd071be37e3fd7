-- A bridge says how far an answer got: the first report takes it off the list; a change is appended to the log, unless
-- the session was merged into another.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 delivery  4 tenant  5 user, or '' for any of the tenant  6 status
--       7 the channel's own id or ''  8 error or ''
-- Reply: {'ok', session, status afterwards} | unknown | {'stale_instance', session, user}
local RANKS = {sent = 1, failed = 2, delivered = 3, read = 4} -- what arrived after all has not failed
local sid, delivery_id, status = ARGV[2], ARGV[3], ARGV[6]
local key = TAG .. 'd:' .. delivery_id
local d = redis.call('HMGET', key, 'session_id', 'tenant', 'user_id', 'message_id', 'channel', 'status')
if d[1] ~= sid or d[2] ~= ARGV[4] or (ARGV[5] ~= '' and d[3] ~= ARGV[5]) then return {'unknown', sid} end
local meta, wrong = open_session(sid)
if wrong and wrong[1] == 'stale_instance' then return {'stale_instance', sid, d[3]} end
if wrong and wrong[1] == 'erased' then return {'unknown', sid} end
unlist_delivery(delivery_id, d[2], d[5])
if (RANKS[d[6]] or 0) >= RANKS[status] then return {'ok', sid, d[6]} end
redis.call('HSET', key, 'status', status, 'external_id', ARGV[7], 'error', ARGV[8])
if meta and not meta.moved then
  local event = '{"type":"delivery.updated","session_id":' .. cjson.encode(sid) .. ',"ts":' .. whole(now_ms()) ..
    ',"message_id":' .. cjson.encode(d[4]) .. ',"channel":' .. cjson.encode(d[5]) .. ',"status":"' .. status .. '"'
  if ARGV[8] ~= '' then event = event .. ',"error":' .. cjson.encode(ARGV[8]) end
  local seq = add_events(sid, meta.epoch, tonumber(meta.seq), {event .. '}'})
  redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq))
end
return {'ok', sid, status}
