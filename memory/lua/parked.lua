-- Turns that wait for an approval, and how they go on.
local APPROVAL_TTL_S = 691200 -- 8 days after its answer: as long as replies to services are remembered

local function approval_of(approval_id)
  local flat = redis.call('HGETALL', TAG .. 'a:' .. approval_id)
  local approval = {id = approval_id}
  for i = 1, #flat, 2 do approval[flat[i]] = flat[i + 1] end
  return approval.turn_id and approval
end

local function settle(approval_id, state)
  redis.call('HSET', TAG .. 'a:' .. approval_id, 'state', state)
  redis.call('EXPIRE', TAG .. 'a:' .. approval_id, APPROVAL_TTL_S)
end

-- The events that say so: their bodies, after those of `bodies`.
local function say_resolved(bodies, approval, approved, by)
  local head = ',"session_id":' .. cjson.encode(approval.session_id) .. ',"ts":' .. whole(now_ms()) ..
    ',"approval_id":' .. cjson.encode(approval.id)
  bodies[#bodies + 1] = '{"type":"approval.resolved"' .. head .. ',"approved":' .. tostring(approved) ..
    ',"by":' .. cjson.encode(by) .. '}'
  bodies[#bodies + 1] = '{"type":"turn.resumed"' .. head .. ',"turn_id":' .. cjson.encode(approval.turn_id) .. '}'
end

-- The turn goes on: what was decided is journalled, and it is ready before all others. `said`: JSON members of the
-- journal's entry that the approver gave, each after a comma.
local function resume(meta, approval, state, approved, by, said)
  local turn_id = approval.turn_id
  local journal = TAG .. 'j:' .. turn_id
  redis.call('RPUSH', journal, '{"kind":"approval_answered","step":' .. approval.step ..
    ',"call_id":' .. cjson.encode(approval.call_id) .. ',"approval_id":' .. cjson.encode(approval.id) ..
    ',"approved":' .. tostring(approved) .. ',"by":' .. cjson.encode(by) .. said .. '}')
  redis.call('EXPIRE', journal, SESSION_TTL_S)
  settle(approval.id, state)
  redis.call('HDEL', TAG .. 't:' .. turn_id, 'approval', 'ending')
  redis.call('HSET', TAG .. 't:' .. turn_id, 'state', 'running', 'resumed', '1')
  redis.call('ZREM', TAG .. 'parked', turn_id)
  redis.call('HSET', TAG .. 's:' .. approval.session_id, 'parked', '')
  make_ready(meta.tenant, turn_id, true)
  tell('ready')
end
