-- How a turn goes under a lease; for `take`, and for a `submit` whose node takes the turn at once.
local function turn_started(sid, turn_id, agent, now)
  return '{"type":"turn.started","session_id":' .. cjson.encode(sid) .. ',"ts":' .. whole(now) ..
    ',"turn_id":' .. cjson.encode(turn_id) .. ',"agent":' .. cjson.encode(agent) .. ',"attempt":1}'
end

local function put_under_lease(tenant, turn_id, until_ms)
  redis.call('ZADD', TAG .. 'leases', whole(until_ms), turn_id)
  redis.call('SADD', TAG .. 'b:' .. tenant, turn_id)
end
