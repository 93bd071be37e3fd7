-- Append runs' events to their logs and their entries to their journals: one call does so for several runs, each as if
-- it were alone. The hot path: of an append it reads one hash and writes one stream entry, one hash and one message, and
-- it takes nothing from the shared files but `events`.
-- KEYS[1] partition prefix
-- ARGV: 1 instance; then of each append how many arguments it has, and those:
--       1 session  2 turn  3 fence  4 nonce  5 batch  6 epoch  7 number of events, events...,
--       number of journal entries, entries..., and perhaps the messages that the last model call was sent
-- Reply: of each append {status, session, last seq, who cancelled or ''}; status ok | stale | rolled_back | erased |
--        not_found | stale_instance | failed (then what Redis said in place of the seq).
--        The batch that was applied last is answered again; only the next one is applied.
local ARGV, call = ARGV, redis.call

local function append(first, last)
  local sid, turn_id, batch = ARGV[first], ARGV[first + 1], ARGV[first + 4]
  local meta_key = TAG .. 's:' .. sid
  local m = call('HMGET', meta_key, 'instance', 'erased', 'current', 'fence', 'nonce', 'batch', 'epoch', 'seq', 'cancel')
  if m[2] then return {'erased', sid} end
  if not m[1] then return {'not_found', sid} end
  if m[1] ~= INSTANCE then return {'stale_instance', sid} end
  if m[3] ~= turn_id or m[4] ~= ARGV[first + 2] or m[5] ~= ARGV[first + 3] then return {'stale', sid} end
  if m[6] == batch then return {'ok', sid, m[8], m[9]} end
  if m[7] ~= ARGV[first + 5] or tonumber(m[6]) + 1 ~= tonumber(batch) then return {'rolled_back', sid} end
  local seq = tonumber(m[8])
  local count = tonumber(ARGV[first + 6])
  if count > 0 then
    local bodies = {}
    for i = 1, count do bodies[i] = ARGV[first + 6 + i] end
    seq = add_events(sid, m[7], seq, bodies)
  end
  local seq_text = whole(seq)
  call('HSET', meta_key, 'seq', seq_text, 'batch', batch)
  add_journal(turn_id, first + 7 + count, last)
  return {'ok', sid, seq_text, m[9]}
end

local replies, at, total = {}, 2, #ARGV
while at <= total do
  local last = at + tonumber(ARGV[at])
  local done, reply = pcall(append, at + 1, last)
  if not done then -- what is wrong with one log is not to stop the others
    reply = {'failed', ARGV[at + 1], type(reply) == 'table' and reply.err or tostring(reply)}
  end
  replies[#replies + 1] = reply
  at = last + 1
end
return replies
