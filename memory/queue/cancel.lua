-- Cancel a turn: a queued one ends here and now, a running one is told; of a parked one see cancel_parked.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 turn  6 by  7 turn.cancelled  8 record  9 the messages in it
-- Reply: {'ok', session, state} | {'changed', session} where a queued turn has other messages by now | unknown_turn |
--        not_found | erased | stale_instance
local sid, tenant, turn_id = ARGV[2], ARGV[3], ARGV[5]
local meta, wrong = open_session(sid, tenant, ARGV[4])
if not meta then return wrong end
local turn_key = TAG .. 't:' .. turn_id
local t = redis.call('HMGET', turn_key, 'session_id', 'state', 'retry_of', 'messages')
if t[1] ~= sid then return {'unknown_turn', sid} end
if t[2] == 'running' then
  cancel_run(sid, turn_id, ARGV[6])
  return {'ok', sid, 'running'}
end
if t[2] ~= 'queued' then return {'ok', sid, t[2]} end
if t[4] and t[4] ~= ARGV[9] then return {'changed', sid} end
local seq = add_events(sid, meta.epoch, tonumber(meta.seq), {ARGV[7]})
redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq))
-- A retry that never began has not taken the old answer out: that one can be asked for again.
if t[3] and t[3] ~= '' and meta.latest == turn_id then redis.call('HSET', TAG .. 's:' .. sid, 'latest', t[3]) end
close_turn(sid, meta, turn_id, 'cancelled', ARGV[8])
if meta.current == turn_id then
  unready(tenant, turn_id)
  next_turn(sid, tenant)
else
  redis.call('LREM', TAG .. 'i:' .. sid, 1, turn_id)
end
keep_session(sid)
return {'ok', sid, 'cancelled'}
