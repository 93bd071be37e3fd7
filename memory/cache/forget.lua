-- Delete all answers to a user's questions.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 user
-- Reply: {'ok', ''}
local index = TAG .. 'cu:' .. ARGV[2]
for _, key in ipairs(redis.call('ZRANGE', index, 0, -1)) do redis.call('DEL', key) end
redis.call('DEL', index)
return {'ok', ''}
