-- Accept a turn: look its cid up, append its events, queue it, remember the reply; together.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 cid key  6 digest  7 how long the reply is kept, s  8 on_busy
--       9 how many may wait  10 turn  11 message  12 input  13 agent  14 message.created or ''  15 turn.queued
--       16 the turn that is done again, or ''
-- Reply: {'accepted', session, reply} | {'duplicate', session, reply} | conflict | busy | unknown_turn | not_found |
--        erased | stale_instance
local sid, tenant, turn_id, retry_of = ARGV[2], ARGV[3], ARGV[10], ARGV[16]
local meta, wrong = open_session(sid, tenant, ARGV[4])
if not meta then return wrong end
local again = remembered(sid, ARGV[5], ARGV[6])
if again then return again end
local inbox = TAG .. 'i:' .. sid
local ahead, waiting = redis.call('LLEN', inbox), redis.call('LLEN', inbox)
if meta.current ~= '' then
  ahead = ahead + 1
  if redis.call('HGET', TAG .. 't:' .. meta.current, 'state') == 'queued' then waiting = waiting + 1 end
end
if retry_of ~= '' then
  if meta.latest ~= retry_of then
    local known = redis.call('HGET', TAG .. 't:' .. retry_of, 'session_id') == sid
    return {known and 'busy' or 'unknown_turn', sid}
  end
  if ahead > 0 then return {'busy', sid} end
elseif waiting >= tonumber(ARGV[9]) or (ARGV[8] == 'reject' and ahead > 0) then
  return {'busy', sid}
end
local bodies = {}
if ARGV[14] ~= '' then bodies[1] = ARGV[14] end
bodies[#bodies + 1] = '{"position":' .. ahead .. ',' .. string.sub(ARGV[15], 2)
local before = tonumber(meta.seq)
local seq = add_events(sid, meta.epoch, before, bodies)
redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq), 'latest', turn_id)
local now = now_ms()
redis.call('HSET', TAG .. 't:' .. turn_id, 'session_id', sid, 'tenant', tenant, 'user_id', ARGV[4], 'state', 'queued',
  'input', ARGV[12], 'agent', ARGV[13], 'attempt', '0', 'runs', '0', 'cancel', '',
  'first_seq', whole(before + 1), 'first_epoch', meta.epoch)
redis.call('EXPIRE', TAG .. 't:' .. turn_id, SESSION_TTL_S)
redis.call('ZADD', TAG .. 'ts:' .. sid, whole(now), turn_id)
redis.call('ZREMRANGEBYSCORE', TAG .. 'ts:' .. sid, '-inf', whole(now - 3 * TURN_TTL_S * 1000))
if ahead == 0 then
  redis.call('HSET', TAG .. 's:' .. sid, 'current', turn_id)
  make_ready(tenant, turn_id, false)
  tell('ready')
else
  redis.call('RPUSH', inbox, turn_id)
end
local reply = '{"message_id":' .. cjson.encode(ARGV[11]) .. ',"turn_id":' .. cjson.encode(turn_id) ..
  ',"seq":' .. whole(before + 1) .. ',"position":' .. ahead .. '}'
remember(sid, ARGV[5], ARGV[6], reply, tonumber(ARGV[7]))
keep_session(sid)
return {'accepted', sid, reply}
