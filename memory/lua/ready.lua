-- The ready lists. A tenant is in `tenants` exactly while its list `r:<tenant>` is not empty.
local function make_ready(tenant, turn_id, front)
  local list = TAG .. 'r:' .. tenant
  if redis.call('EXISTS', list) == 0 then redis.call('RPUSH', TAG .. 'tenants', tenant) end
  redis.call(front and 'LPUSH' or 'RPUSH', list, turn_id)
end

-- Take a turn out of the ready list; 1 where it was there.
local function unready(tenant, turn_id)
  local list = TAG .. 'r:' .. tenant
  local removed = redis.call('LREM', list, 1, turn_id)
  if removed == 1 and redis.call('EXISTS', list) == 0 then redis.call('LREM', TAG .. 'tenants', 0, tenant) end
  return removed
end

local function free_lease(tenant, turn_id)
  redis.call('SREM', TAG .. 'b:' .. tenant, turn_id)
  return redis.call('ZREM', TAG .. 'leases', turn_id)
end

-- Tell a turn's run, or its next one, that it is cancelled. Who did so first counts.
local function cancel_run(sid, turn_id, by)
  local first = redis.call('HGET', TAG .. 't:' .. turn_id, 'cancel')
  if first == '' then
    redis.call('HSET', TAG .. 't:' .. turn_id, 'cancel', by)
    redis.call('HSET', TAG .. 's:' .. sid, 'cancel', by)
  else
    by = first
  end
  tell('cancel ' .. turn_id .. ' ' .. by)
end

-- Put a turn that nobody runs any more among the ready, in front; 1 where it was under a lease.
local function put_back(turn_id)
  local tenant = redis.call('HGET', TAG .. 't:' .. turn_id, 'tenant')
  if not tenant then
    redis.call('ZREM', TAG .. 'leases', turn_id)
    return 0
  end
  if free_lease(tenant, turn_id) == 0 then return 0 end
  make_ready(tenant, turn_id, true)
  return 1
end

-- Erase all of a turn, whatever state it is in.
local function drop_turn(tenant, turn_id)
  free_lease(tenant, turn_id)
  unready(tenant, turn_id)
  redis.call('ZREM', TAG .. 'parked', turn_id)
  local approvals = redis.call('HGET', TAG .. 't:' .. turn_id, 'approvals') or ''
  for approval_id in string.gmatch(approvals, '%S+') do redis.call('DEL', TAG .. 'a:' .. approval_id) end
  redis.call('DEL', TAG .. 't:' .. turn_id, TAG .. 'j:' .. turn_id, TAG .. 'k:' .. turn_id)
end

-- A turn has let go of its lease: where others are ready, perhaps kept back by their tenant's cap, somebody looks again.
local function tell_of_room()
  if redis.call('EXISTS', TAG .. 'tenants') == 1 then tell('ready') end
end

-- The session's slot is free: its next waiting turn becomes the current one and ready. A turn that waited for so long
-- that it ran out does not block the session.
local function next_turn(sid, tenant)
  local turn_id
  repeat
    turn_id = redis.call('LPOP', TAG .. 'i:' .. sid)
  until not turn_id or redis.call('EXISTS', TAG .. 't:' .. turn_id) == 1
  redis.call('HSET', TAG .. 's:' .. sid, 'current', turn_id or '', 'nonce', '', 'cancel', '', 'parked', '')
  if turn_id then
    make_ready(tenant, turn_id, false)
    tell('ready')
  else
    tell_of_room()
  end
end

-- So that a session costs the same after a thousand turns: of those that ended, only the newest stay.
local function forget_old_turns(sid, turn_id)
  local turns = TAG .. 'ts:' .. sid
  for _, old in ipairs(redis.call('ZRANGE', turns, 0, -(TURNS_KEPT + 1))) do
    local state = redis.call('HGET', TAG .. 't:' .. old, 'state')
    if not state or state == 'completed' or state == 'failed' or state == 'cancelled' then
      redis.call('DEL', TAG .. 't:' .. old, TAG .. 'j:' .. old, TAG .. 'k:' .. old)
      redis.call('ZREM', turns, old)
    end
  end
  local rank = redis.call('ZRANK', turns, turn_id)
  if rank and rank >= PROMPTS_KEPT then
    local before = redis.call('ZRANGE', turns, rank - PROMPTS_KEPT, rank - PROMPTS_KEPT)[1]
    redis.call('DEL', TAG .. 'k:' .. before)
  end
end

-- What every end of a turn writes, whoever ends it: state, record, books, first seq for the log's trimming.
local function close_turn(sid, meta, turn_id, state, record)
  local turn_key = TAG .. 't:' .. turn_id
  local marks = redis.call('HMGET', turn_key, 'first_seq', 'first_epoch')
  local first = marks[2] == meta.epoch and marks[1] or '1'
  redis.call('ZADD', TAG .. 'e:' .. sid, whole(now_ms()), first .. ':' .. turn_id)
  redis.call('EXPIRE', TAG .. 'e:' .. sid, SESSION_TTL_S)
  redis.call('HSET', turn_key, 'state', state, 'record', record)
  redis.call('HDEL', turn_key, 'messages', 'message_ids', 'alike', 'approval', 'ending', 'resumed')
  redis.call('EXPIRE', turn_key, TURN_TTL_S)
  redis.call('EXPIRE', TAG .. 'j:' .. turn_id, TURN_TTL_S)
  redis.call('EXPIRE', TAG .. 'k:' .. turn_id, PROMPT_TTL_S)
  forget_old_turns(sid, turn_id)
  redis.call('XADD', TAG .. 'outbox', '*', 's', sid, 'd', record)
  tell('outbox')
end
