-- Take ready turns under leases: tenants in turn, each up to its cap; turn.started or turn.recovered is appended, but
-- nothing where an answer made the turn go on: that is neither a new run nor an attempt. A call with nonces that took
-- turns already (its reply was lost) is given those of them that are still its own, and takes no more.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most  3 lease, ms  4 running turns a tenant at most  5 node  6.. nonces, one a turn
-- Reply: {'ok', '', {'taken', session, tenant, user, input, attempt, fence, nonce, epoch, cancel, runs,
--        {history entry...}, journal entry...} |
--        {'stale_instance', session, tenant, user}, ...}
local limit, cap = tonumber(ARGV[2]), tonumber(ARGV[4])
local reply = {'ok', ''}
local now = now_ms()
local taken, idle = 0, 0
local tenants = TAG .. 'tenants'
local told = TAG .. 'n:' .. ARGV[6]
local TOLD_TTL_S = 15 -- longer than an adapter goes on asking
local CALL = string.match(ARGV[6], '^.*%.')
local MODEL_CALLED = '{"kind":"model_called"'

local function turn_of(turn_id)
  local flat = redis.call('HGETALL', TAG .. 't:' .. turn_id)
  local turn = {}
  for i = 1, #flat, 2 do turn[flat[i]] = flat[i + 1] end
  return turn
end

local function event(turn, turn_id, runs, steps)
  if runs == 1 then return turn_started(turn.session_id, turn_id, turn.agent, now) end
  return '{"type":"turn.recovered","session_id":' .. cjson.encode(turn.session_id) .. ',"ts":' .. whole(now) ..
    ',"turn_id":' .. cjson.encode(turn_id) .. ',"attempt":' .. runs .. ',"from_step":' .. (steps + 1) .. '}'
end

local function taken_item(turn, journal, attempt, runs, fence, nonce, epoch)
  local item = {'taken', turn.session_id, turn.tenant, turn.user_id, turn.input, whole(attempt), fence, nonce, epoch,
    turn.cancel, whole(runs), redis.call('LRANGE', TAG .. 'h:' .. turn.session_id, 0, -1)}
  for _, entry in ipairs(journal) do item[#item + 1] = entry end
  return item
end

local function tell_again(turn_ids)
  for _, turn_id in ipairs(turn_ids) do
    local turn = turn_of(turn_id)
    local meta = turn.session_id and open_session(turn.session_id)
    if meta and meta.current == turn_id and meta.nonce == turn.nonce and string.sub(meta.nonce, 1, #CALL) == CALL then
      local journal = redis.call('LRANGE', TAG .. 'j:' .. turn_id, 0, -1)
      reply[#reply + 1] = taken_item(turn, journal, turn.attempt, turn.runs, meta.fence, meta.nonce, meta.epoch)
    end
  end
  return reply
end

local function lease(turn_id, tenant)
  local turn_key = TAG .. 't:' .. turn_id
  local turn = turn_of(turn_id)
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
  local counted = turn.resumed and 0 or 1
  local attempt, runs = turn.attempt + counted, turn.runs + counted
  local journal = redis.call('LRANGE', TAG .. 'j:' .. turn_id, 0, -1)
  local steps = 0
  for _, entry in ipairs(journal) do
    if string.sub(entry, 1, #MODEL_CALLED) == MODEL_CALLED then steps = steps + 1 end
  end
  local seq = tonumber(meta.seq)
  if not turn.resumed then seq = add_events(sid, meta.epoch, seq, {event(turn, turn_id, runs, steps)}) end
  redis.call('HDEL', turn_key, 'resumed')
  redis.call('HSET', TAG .. 's:' .. sid, 'seq', whole(seq), 'fence', fence, 'nonce', nonce, 'batch', '0',
    'cancel', turn.cancel)
  redis.call('HSET', turn_key, 'state', 'running', 'fence', fence, 'nonce', nonce, 'attempt', attempt, 'runs', runs,
    'node', ARGV[5])
  put_under_lease(tenant, turn_id, now + tonumber(ARGV[3]))
  redis.call('RPUSH', told, turn_id)
  return taken_item(turn, journal, attempt, runs, fence, nonce, meta.epoch)
end

local before = redis.call('LRANGE', told, 0, -1)
if #before > 0 then return tell_again(before) end

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
if taken > 0 then redis.call('EXPIRE', told, TOLD_TTL_S) end
return reply
