-- Answers on their way out through channels that the server itself does not serve. Needs nothing but `base`.
--   d:<delivery>             HASH  session_id tenant user_id message_id channel content attempt made_ms status
--   dw:<channel>:<tenant>    ZSET  deliveries that wait, by when they were made, in ms
--   dl:<channel>:<tenant>    ZSET  deliveries that are leased, by the end of their lease, in ms
--   ds:<session>             ZSET  a session's deliveries, by when they were made, in ms
-- A delivery's id is `dlv_`, the session's 26 characters and the message's: so its partition is the session's.
local DELIVERY_TTL_S = 691200 -- 8 days
local DELIVERIES_WAITING = 10000 -- a tenant and channel; beyond it the oldest goes
local OWN_CHANNELS = {web = true, api = true}

local function delivery_lists(tenant, channel)
  return TAG .. 'dw:' .. channel .. ':' .. tenant, TAG .. 'dl:' .. channel .. ':' .. tenant
end

-- Take a delivery off the lists of what is to be delivered.
local function unlist_delivery(delivery_id, tenant, channel)
  local waiting, leased = delivery_lists(tenant, channel)
  redis.call('ZREM', waiting, delivery_id)
  redis.call('ZREM', leased, delivery_id)
end

local function make_room(waiting, leased)
  while redis.call('ZCARD', waiting) + redis.call('ZCARD', leased) >= DELIVERIES_WAITING do
    local oldest = redis.call('ZPOPMIN', waiting)
    if #oldest == 0 then oldest = redis.call('ZPOPMIN', leased) end
    redis.call('DEL', TAG .. 'd:' .. oldest[1])
  end
end

-- The answer in a turn's record that is to be delivered, or nil. The record's own channel is the first that it names.
local function outgoing(state, record)
  if state ~= 'completed' then return nil end
  local channel = string.match(record, '"channel":"([%w_-]+)"')
  if not channel or OWN_CHANNELS[channel] then return nil end
  local decoded, turn = pcall(cjson.decode, record)
  if not decoded or type(turn.messages) ~= 'table' then return nil end
  for i = #turn.messages, 1, -1 do
    local message = turn.messages[i]
    if message.role == 'assistant' then
      if type(message.content) ~= 'string' or message.content == '' then return nil end
      return message, channel
    end
  end
end

-- A turn ended in `state` with this record: where its answer leaves by a channel of somebody else's, put it there.
local function add_delivery(sid, meta, state, record)
  local message, channel = outgoing(state, record)
  if not message then return end
  local now = now_ms()
  local waiting, leased = delivery_lists(meta.tenant, channel)
  make_room(waiting, leased)
  local delivery_id = 'dlv_' .. string.sub(sid, 5) .. string.sub(message.message_id, 5)
  local key, mine = TAG .. 'd:' .. delivery_id, TAG .. 'ds:' .. sid
  redis.call('HSET', key, 'session_id', sid, 'tenant', meta.tenant, 'user_id', meta.user_id, 'message_id',
    message.message_id, 'channel', channel, 'content', message.content, 'attempt', '0', 'made_ms', whole(now), 'status', '')
  redis.call('ZADD', waiting, whole(now), delivery_id)
  redis.call('ZADD', mine, whole(now), delivery_id)
  redis.call('ZREMRANGEBYSCORE', mine, '-inf', whole(now - DELIVERY_TTL_S * 1000))
  for _, name in ipairs({key, waiting, mine}) do redis.call('EXPIRE', name, DELIVERY_TTL_S) end
end

-- A session is erased: so are its deliveries.
local function drop_deliveries(sid)
  local mine = TAG .. 'ds:' .. sid
  for _, delivery_id in ipairs(redis.call('ZRANGE', mine, 0, -1)) do
    local key = TAG .. 'd:' .. delivery_id
    local owner = redis.call('HMGET', key, 'tenant', 'channel')
    if owner[1] then unlist_delivery(delivery_id, owner[1], owner[2]) end
    redis.call('DEL', key)
  end
  redis.call('DEL', mine)
end

-- Leases that ran out: their deliveries wait again, in their old place. What is too old is forgotten.
local function refresh_deliveries(waiting, leased)
  local now = now_ms()
  for _, delivery_id in ipairs(redis.call('ZRANGEBYSCORE', leased, '-inf', whole(now), 'LIMIT', 0, 1000)) do
    redis.call('ZREM', leased, delivery_id)
    local made_ms = redis.call('HGET', TAG .. 'd:' .. delivery_id, 'made_ms')
    if made_ms then redis.call('ZADD', waiting, made_ms, delivery_id) end
  end
  redis.call('ZREMRANGEBYSCORE', waiting, '-inf', whole(now - DELIVERY_TTL_S * 1000))
  for _, name in ipairs({waiting, leased}) do redis.call('EXPIRE', name, DELIVERY_TTL_S) end
  return now
end
