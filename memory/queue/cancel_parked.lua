-- Cancel a parked turn: nobody runs it, so its end is written here, as the run that parked it composed it.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 turn  6 the approval that it waits for  7 history entry  8 record
--       9 history entries kept at most  10 bytes of them kept at most  11.. events
-- Reply: {'ok', session, 'cancelled'} | {'changed', session} where it does not wait for that any more | unknown_turn |
--        not_found | erased | stale_instance
local sid, turn_id, approval_id = ARGV[2], ARGV[5], ARGV[6]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
local t = redis.call('HMGET', TAG .. 't:' .. turn_id, 'session_id', 'state', 'approval')
if t[1] ~= sid then return {'unknown_turn', sid} end
if t[2] ~= 'parked' or t[3] ~= approval_id or meta.current ~= turn_id then return {'changed', sid} end
local bodies = {}
for i = 11, #ARGV do bodies[#bodies + 1] = ARGV[i] end
local seq = add_events(sid, meta.epoch, tonumber(meta.seq), bodies)
redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq))
add_history(sid, meta, ARGV[7], tonumber(ARGV[9]), tonumber(ARGV[10]))
settle(approval_id, 'cancelled')
redis.call('ZREM', TAG .. 'parked', turn_id)
close_turn(sid, meta, turn_id, 'cancelled', ARGV[8])
next_turn(sid, meta.tenant)
keep_session(sid)
return {'ok', sid, 'cancelled'}
