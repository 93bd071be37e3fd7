-- Take ready turns under leases: tenants in turn, each up to its cap; turn.started or turn.recovered is appended.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most  3 lease, ms  4 running turns a tenant at most  5 node  6.. nonces, one a turn
-- Reply: {'ok', '', {'taken', session, tenant, user, input, attempt, fence, nonce, epoch, cancel, journal entry...} |
--        {'stale_instance', session, tenant, user}, ...}
local limit, cap = tonumber(ARGV[2]), tonumber(ARGV[4])
local reply = {'ok', ''}
local now = now_ms()
local taken, idle = 0, 0
local tenants = TAG .. 'tenants'
local leases = TAG .. 'leases'
local MODEL_CALLED = '{"kind":"model_called"'

local function event(turn, turn_id, epoch, meta_seq, runs, steps)
  local head = ',"session_id":' .. cjson.encode(turn.session_id) .. ',"ts":' .. whole(now) ..
    ',"turn_id":' .. cjson.encode(turn_id)
  if runs == 1 then
    return '{"type":"turn.started"' .. head .. ',"agent":' .. cjson.encode(turn.agent) .. ',"attempt":1}'
  end
  return '{"type":"turn.recovered"' .. head .. ',"attempt":' .. runs .. ',"from_step":' .. (steps + 1) .. '}'
end

local function lease(turn_id, tenant)
  local turn_key = TAG .. 't:' .. turn_id
  local flat = redis.call('HGETALL', turn_key)
  local turn = {}
  for i = 1, #flat, 2 do turn[flat[i]] = flat[i + 1] end
  if not turn.session_id then return nil end -- erased or expired meanwhile
  local sid = turn.session_id
  local meta, wrong = open_session(sid)
  if wrong then
    if wrong[1] == 'stale_instance' then return {'stale_instance', sid, turn.tenant, turn.user_id} end
    return nil
  end
  if meta.current ~= turn_id then return nil end
  taken = taken + 1
  local nonce = ARGV[5 + taken]
  local fence = whole(tonumber(meta.fence) + 1)
  local attempt, runs = turn.attempt + 1, turn.runs + 1
  local journal = redis.call('LRANGE', TAG .. 'j:' .. turn_id, 0, -1)
  local steps = 0
  for _, entry in ipairs(journal) do
    if string.sub(entry, 1, #MODEL_CALLED) == MODEL_CALLED then steps = steps + 1 end
  end
  local seq = add_events(sid, meta.epoch, tonumber(meta.seq), {event(turn, turn_id, meta.epoch, meta.seq, runs, steps)})
  redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq), 'fence', fence, 'nonce', nonce, 'batch', '0',
    'cancel', turn.cancel)
  redis.call('HSET', turn_key, 'state', 'running', 'fence', fence, 'nonce', nonce, 'attempt', attempt, 'runs', runs,
    'node', ARGV[5])
  redis.call('ZADD', leases, whole(now + tonumber(ARGV[3])), turn_id)
  redis.call('SADD', TAG .. 'b:' .. tenant, turn_id)
  local item = {'taken', sid, turn.tenant, turn.user_id, turn.input, whole(attempt), fence, nonce, meta.epoch, turn.cancel}
  for _, entry in ipairs(journal) do item[#item + 1] = entry end
  return item
end

while taken < limit and idle < redis.call('LLEN', tenants) do
  local tenant = redis.call('LMOVE', tenants, tenants, 'LEFT', 'RIGHT')
  local list = TAG .. 'r:' .. tenant
  idle = idle + 1
  if redis.call('SCARD', TAG .. 'b:' .. tenant) < cap then
    local turn_id = redis.call('LPOP', list)
    local item = turn_id and lease(turn_id, tenant)
    if item and item[1] == 'stale_instance' then
      redis.call('LPUSH', list, turn_id)
    else
      idle = 0
    end
    if item then reply[#reply + 1] = item end
    if redis.call('EXISTS', list) == 0 then redis.call('RPOP', tenants) end
  end
end
return reply
