-- Append a run's events to the log and its entries to the journal, together. The hot path: it reads one hash,
-- writes one stream entry, one hash and one message, and takes nothing from the shared files but `events`.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 turn  4 fence  5 nonce  6 batch  7 epoch  8 number of events, events...,
--       number of journal entries, entries..., and perhaps the messages that the last model call was sent
-- Reply: {status, session, last seq, who cancelled or ''}; status ok | stale | rolled_back | erased | not_found |
--        stale_instance. The batch that was applied last is answered again; only the next one is applied.
local sid, turn_id = ARGV[2], ARGV[3]
local meta_key = TAG .. 's:' .. sid
local m = redis.call('HMGET', meta_key, 'instance', 'erased', 'current', 'fence', 'nonce', 'batch', 'epoch', 'seq', 'cancel')
if m[2] then return {'erased', sid} end
if not m[1] then return {'not_found', sid} end
if m[1] ~= INSTANCE then return {'stale_instance', sid} end
if m[3] ~= turn_id or m[4] ~= ARGV[4] or m[5] ~= ARGV[5] then return {'stale', sid} end
if m[6] == ARGV[6] then return {'ok', sid, m[8], m[9]} end
if m[7] ~= ARGV[7] or tonumber(m[6]) + 1 ~= tonumber(ARGV[6]) then return {'rolled_back', sid} end
local seq = tonumber(m[8])
local count = tonumber(ARGV[8])
if count > 0 then
  local bodies = {}
  for i = 1, count do bodies[i] = ARGV[8 + i] end
  seq = add_events(sid, m[7], seq, bodies)
end
redis.call('HSET', meta_key, 'seq', whole(seq), 'batch', ARGV[6])
add_journal(turn_id, 9 + count)
return {'ok', sid, whole(seq), m[9]}
