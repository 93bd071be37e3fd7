-- Renew the leases of a node's turns. A turn whose lease had run out, but that nobody took, is its run's again.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 lease, ms  3.. turn, session, fence, nonce of each
-- Reply: {'ok', '', turn, 'stale' or who cancelled, ...} of those that have something to say
local reply = {'ok', ''}
local expiry = whole(now_ms() + tonumber(ARGV[2]))
for i = 3, #ARGV, 4 do
  local turn_id = ARGV[i]
  local m = redis.call('HMGET', TAG .. 's:' .. ARGV[i + 1], 'current', 'fence', 'nonce', 'cancel', 'tenant')
  if m[1] ~= turn_id or m[2] ~= ARGV[i + 2] or m[3] ~= ARGV[i + 3] then
    reply[#reply + 1] = turn_id
    reply[#reply + 1] = 'stale'
  else
    if redis.call('ZADD', TAG .. 'leases', expiry, turn_id) == 1 then
      unready(m[5], turn_id)
      redis.call('SADD', TAG .. 'b:' .. m[5], turn_id)
    end
    if m[4] ~= '' then
      reply[#reply + 1] = turn_id
      reply[#reply + 1] = m[4]
    end
  end
end
return reply
