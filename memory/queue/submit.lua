-- Accept a message: look its cid up, append its events, queue its turn or let it join one, remember the reply; together.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 cid key  6 digest  7 how long the reply is kept, s  8 on_busy
--       9 how many may wait  10 turn  11 message  12 input  13 agent  14 message.created without its turn, or ''
--       15 turn.queued without its position  16 the turn that is done again, or ''  17 what messages of one turn share
--       18 how many messages one turn may have, and where this node takes the turn itself if it may:
--       19 the nonce of its run, else ''  20 lease, ms  21 running turns a tenant at most  22 node
-- Reply: {'accepted', session, reply} | {'duplicate', session, reply} | {'moved', session, where to} |
--        {'parked', session, turn} where that has to be cancelled first | conflict | busy | unknown_turn | not_found |
--        erased | stale_instance
-- Behind the reply, where the turn was taken by this call, or by its like whose reply was lost: fence, epoch, who
-- cancelled it or '', {history entry...}
local sid, tenant, on_busy, turn_id, message_id, retry_of = ARGV[2], ARGV[3], ARGV[8], ARGV[10], ARGV[11], ARGV[16]
local meta, wrong = open_session(sid, tenant, ARGV[4])
if not meta then return wrong end

-- What the run that this call's nonce names has to know, behind the reply.
local function with_run(reply, fence, epoch, cancel)
  reply[4], reply[5], reply[6], reply[7] = fence, epoch, cancel, redis.call('LRANGE', TAG .. 'h:' .. sid, 0, -1)
  return reply
end

local again = remembered(sid, ARGV[5], ARGV[6])
if again and ARGV[19] ~= '' and meta.nonce == ARGV[19] then with_run(again, meta.fence, meta.epoch, meta.cancel) end
if again then return again end
if meta.moved then return {'moved', sid, meta.moved} end
local meta_key, inbox = TAG .. 's:' .. sid, TAG .. 'i:' .. sid
local waiting = redis.call('LLEN', inbox)
local ahead, current_state = waiting, nil
if meta.current ~= '' then
  ahead = ahead + 1
  current_state = redis.call('HGET', TAG .. 't:' .. meta.current, 'state')
  if current_state == 'queued' then waiting = waiting + 1 end
end

-- The session's last waiting turn, where it never ran and this message may join it.
local function host()
  if on_busy ~= 'merge' or retry_of ~= '' or ahead == 0 then return nil end
  local last = redis.call('LINDEX', inbox, -1) or meta.current
  local t = redis.call('HMGET', TAG .. 't:' .. last, 'state', 'runs', 'alike', 'messages')
  local free = t[1] == 'queued' and t[2] == '0' and t[3] == ARGV[17] and tonumber(t[4]) < tonumber(ARGV[18])
  return free and last or nil
end

local host_id = host()
if retry_of ~= '' then
  if meta.latest ~= retry_of then
    local known = redis.call('HGET', TAG .. 't:' .. retry_of, 'session_id') == sid
    return {known and 'busy' or 'unknown_turn', sid}
  end
  if ahead > 0 then return {'busy', sid} end
elseif not host_id and (waiting >= tonumber(ARGV[9]) or (on_busy == 'reject' and ahead > 0)) then
  return {'busy', sid}
end
if on_busy == 'interrupt' then
  if current_state == 'parked' then return {'parked', sid, meta.current} end
  if current_state == 'running' then cancel_run(sid, meta.current, 'interrupt') end
end

local function join()
  local key = TAG .. 't:' .. host_id
  local t = redis.call('HMGET', key, 'input', 'message_ids')
  local message_ids = t[2] .. ',' .. cjson.encode(message_id)
  redis.call('HSET', key, 'input', t[1] .. '\n' .. ARGV[12], 'message_ids', message_ids)
  redis.call('HINCRBY', key, 'messages', 1)
  return '{"type":"turn.queued","session_id":' .. cjson.encode(sid) .. ',"ts":' .. whole(now_ms()) ..
    ',"turn_id":' .. cjson.encode(host_id) .. ',"message_ids":[' .. message_ids .. ']}'
end

-- This node may take the turn here and now: nothing that is ready comes before it, and its tenant has room.
local function is_taken()
  return ARGV[19] ~= '' and ahead == 0 and redis.call('EXISTS', TAG .. 'tenants') == 0 and
    redis.call('SCARD', TAG .. 'b:' .. tenant) < tonumber(ARGV[21])
end

local fence = is_taken() and whole(tonumber(meta.fence) + 1)

local function keep_turn(first_seq, seq)
  local key, now = TAG .. 't:' .. turn_id, now_us() -- several turns may be accepted in a millisecond
  local turn = {'session_id', sid, 'tenant', tenant, 'user_id', ARGV[4], 'input', ARGV[12], 'agent', ARGV[13],
    'cancel', '', 'first_seq', whole(first_seq), 'first_epoch', meta.epoch}
  local function say(...)
    for _, value in ipairs({...}) do turn[#turn + 1] = value end
  end
  if retry_of ~= '' then
    say('retry_of', retry_of)
  elseif not fence then
    say('messages', '1', 'message_ids', cjson.encode(message_id), 'alike', ARGV[17])
  end
  if fence then
    say('state', 'running', 'attempt', '1', 'runs', '1', 'fence', fence, 'nonce', ARGV[19], 'node', ARGV[22])
  else
    say('state', 'queued', 'attempt', '0', 'runs', '0')
  end
  redis.call('HSET', key, unpack(turn))
  redis.call('EXPIRE', key, SESSION_TTL_S)
  redis.call('ZADD', TAG .. 'ts:' .. sid, whole(now), turn_id)
  redis.call('ZREMRANGEBYSCORE', TAG .. 'ts:' .. sid, '-inf', whole(now - 3 * TURN_TTL_S * 1000000))
  if fence then
    redis.call('HSET', meta_key, 'seq', whole(seq), 'latest', turn_id, 'current', turn_id, 'fence', fence,
      'nonce', ARGV[19], 'batch', '0', 'cancel', '')
    put_under_lease(tenant, turn_id, now_ms() + tonumber(ARGV[20]))
  elseif ahead > 0 then
    redis.call('HSET', meta_key, 'seq', whole(seq), 'latest', turn_id)
    redis.call('RPUSH', inbox, turn_id)
  else
    redis.call('HSET', meta_key, 'seq', whole(seq), 'latest', turn_id, 'current', turn_id)
    make_ready(tenant, turn_id, false)
    tell('ready ' .. turn_id)
  end
end

local bodies, queued = {}, ARGV[15]
if host_id then
  queued, turn_id, ahead = join(), host_id, ahead - 1
end
if ARGV[14] ~= '' then bodies[1] = '{"turn_id":' .. cjson.encode(turn_id) .. ',' .. string.sub(ARGV[14], 2) end
bodies[#bodies + 1] = '{"position":' .. ahead .. ',' .. string.sub(queued, 2)
local superseded = current_state == 'parked' and approval_of(meta.parked)
if superseded and superseded.approver ~= 'user' then superseded = nil end
if superseded then say_resolved(bodies, superseded, false, 'superseded') end
if fence then bodies[#bodies + 1] = turn_started(sid, turn_id, ARGV[13], now_ms()) end
local before = tonumber(meta.seq)
local seq = add_events(sid, meta.epoch, before, bodies)
if host_id then redis.call('HSET', meta_key, 'seq', whole(seq)) else keep_turn(before + 1, seq) end
if superseded then resume(meta, superseded, 'superseded', false, 'superseded', '') end
local reply = '{"message_id":' .. cjson.encode(message_id) .. ',"turn_id":' .. cjson.encode(turn_id) ..
  ',"seq":' .. whole(before + 1) .. ',"position":' .. ahead .. '}'
remember(sid, ARGV[5], ARGV[6], reply, tonumber(ARGV[7]))
keep_session(sid)
local accepted = {'accepted', sid, reply}
return fence and with_run(accepted, fence, meta.epoch, '') or accepted
