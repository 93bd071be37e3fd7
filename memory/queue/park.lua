-- Park a turn until its approval is answered: events and journal as an append, the lease and the run let go of.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 turn  4 fence  5 nonce  6 batch  7 epoch  8 approval  9 approver  10 it expires, ms
--       11 step  12 call  13 tool  14 journal entry  15 ending  16.. events
-- Reply: as append, or {'cancelled', session, last seq, who} where nothing was written. The turn keeps who parked it,
--        so that a lost reply is given again.
local sid, turn_id, approval_id = ARGV[2], ARGV[3], ARGV[8]
local turn_key = TAG .. 't:' .. turn_id
local parking = ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6]
local meta, wrong = open_session(sid)
if not meta then return wrong end
if meta.current ~= turn_id or meta.fence ~= ARGV[4] or meta.nonce ~= ARGV[5] then
  if redis.call('HGET', turn_key, 'parking') == parking then return {'ok', sid, meta.seq, ''} end
  return {'stale', sid}
end
if meta.epoch ~= ARGV[7] or tonumber(meta.batch) + 1 ~= tonumber(ARGV[6]) then return {'rolled_back', sid} end
if meta.cancel ~= '' then return {'cancelled', sid, meta.seq, meta.cancel} end
local bodies = {}
for i = 16, #ARGV do bodies[#bodies + 1] = ARGV[i] end
local seq = add_events(sid, meta.epoch, tonumber(meta.seq), bodies)
redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq), 'nonce', '', 'parked', approval_id)
redis.call('RPUSH', TAG .. 'j:' .. turn_id, ARGV[14])
redis.call('EXPIRE', TAG .. 'j:' .. turn_id, SESSION_TTL_S)
local asked = redis.call('HGET', turn_key, 'approvals')
redis.call('HSET', turn_key, 'state', 'parked', 'approval', approval_id, 'ending', ARGV[15], 'parking', parking,
  'approvals', (asked and asked .. ' ' or '') .. approval_id)
redis.call('EXPIRE', turn_key, SESSION_TTL_S)
redis.call('HSET', TAG .. 'a:' .. approval_id, 'session_id', sid, 'turn_id', turn_id, 'call_id', ARGV[12],
  'name', ARGV[13], 'approver', ARGV[9], 'step', ARGV[11], 'state', 'pending', 'expires_ms', ARGV[10])
redis.call('PEXPIREAT', TAG .. 'a:' .. approval_id, whole(math.max(tonumber(ARGV[10]), now_ms()) + SESSION_TTL_S * 1000))
redis.call('ZADD', TAG .. 'parked', ARGV[10], turn_id)
if free_lease(meta.tenant, turn_id) == 0 then unready(meta.tenant, turn_id) end
tell_of_room()
keep_session(sid)
return {'ok', sid, whole(seq), ''}
