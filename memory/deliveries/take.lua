-- Lease the oldest deliveries of a channel.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant  3 channel  4 how many at most  5 lease, ms
-- Reply: {'ok', '', {delivery, session, user, message, content, attempt, made_ms}, ...}
local waiting, leased = delivery_lists(ARGV[2], ARGV[3])
local now = refresh_deliveries(waiting, leased)
local reply = {'ok', ''}
local count, limit = 0, tonumber(ARGV[4])
while count < limit do
  local delivery_id = redis.call('ZPOPMIN', waiting)[1]
  if not delivery_id then break end
  local key = TAG .. 'd:' .. delivery_id
  local d = redis.call('HMGET', key, 'session_id', 'user_id', 'message_id', 'content', 'made_ms')
  if d[1] then
    count = count + 1
    local attempt = redis.call('HINCRBY', key, 'attempt', 1)
    redis.call('ZADD', leased, whole(now + tonumber(ARGV[5])), delivery_id)
    reply[#reply + 1] = {delivery_id, d[1], d[2], d[3], d[4], whole(attempt), d[5]}
  end
end
redis.call('EXPIRE', leased, DELIVERY_TTL_S)
return reply
