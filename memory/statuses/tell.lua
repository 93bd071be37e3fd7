-- Say how models do on a node, and drop what nodes said that have not spoken for a while.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 node  3 what it says  4 how long that is kept, ms
-- Reply: {'ok', ''}
local board = TAG .. 'mst'
local now = now_ms()
for _, node in ipairs(redis.call('HKEYS', board)) do
  local said_ms = string.match(redis.call('HGET', board, node), '^%d+')
  if tonumber(said_ms) < now - tonumber(ARGV[4]) then redis.call('HDEL', board, node) end
end
redis.call('HSET', board, ARGV[2], whole(now) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', board, ARGV[4])
return {'ok', ''}
