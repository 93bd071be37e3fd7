-- The last append of a turn: events, history, books, the lease freed and the session's next turn made ready, together.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 turn  4 fence  5 nonce  6 batch  7 epoch  8 state  9 history entry or ''  10 record
--       11 history entries kept at most  12 bytes of them kept at most  13 number of events, events...,
--       number of journal entries, entries..., and perhaps the messages that the last model call was sent
-- Reply: as append. An ended turn keeps its nonce and batch, so that a lost reply is given again.
local sid, turn_id = ARGV[2], ARGV[3]
local turn_key = TAG .. 't:' .. turn_id
local meta, wrong = open_session(sid)
if not meta then return wrong end
if meta.current ~= turn_id or meta.fence ~= ARGV[4] or meta.nonce ~= ARGV[5] then
  local kept = redis.call('HMGET', turn_key, 'fence', 'nonce', 'batch')
  if kept[1] == ARGV[4] and kept[2] == ARGV[5] and kept[3] == ARGV[6] then return {'ok', sid, meta.seq, ''} end
  return {'stale', sid}
end
if meta.epoch ~= ARGV[7] or tonumber(meta.batch) + 1 ~= tonumber(ARGV[6]) then return {'rolled_back', sid} end
local bodies = {}
local count = tonumber(ARGV[13])
for i = 1, count do bodies[i] = ARGV[13 + i] end
local seq = add_events(sid, meta.epoch, tonumber(meta.seq), bodies)
redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq), 'batch', ARGV[6])
add_journal(turn_id, 14 + count)
if ARGV[9] ~= '' then add_history(sid, meta, ARGV[9], tonumber(ARGV[11]), tonumber(ARGV[12])) end
redis.call('HSET', turn_key, 'fence', ARGV[4], 'nonce', ARGV[5], 'batch', ARGV[6])
close_turn(sid, meta, turn_id, ARGV[8], ARGV[10])
add_delivery(sid, meta, ARGV[8], ARGV[10])
if free_lease(meta.tenant, turn_id) == 0 then unready(meta.tenant, turn_id) end
next_turn(sid, meta.tenant)
return {'ok', sid, whole(seq), meta.cancel}
