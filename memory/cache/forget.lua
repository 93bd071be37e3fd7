-- Delete all that a user's questions left: answers, vectors, and the questions themselves.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 user
-- Reply: {'ok', ''}
local index = TAG .. 'cu:' .. ARGV[2]
for _, kept in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local questions, field = string.match(kept, '^(%S+) (%S+)$')
  if questions then
    redis.call('HDEL', questions, field)
    redis.call('ZREM', string.gsub(questions, ':cn:', ':cz:', 1), field)
  else
    redis.call('DEL', kept)
  end
end
redis.call('DEL', index)
return {'ok', ''}
