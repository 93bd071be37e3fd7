-- These sessions of a user are erased: strike them off the list.
-- KEYS[1] partition prefix (the user's)
-- ARGV: 1 instance  2 user key  3.. sessions
-- Reply: {'ok', user key}
for i = 3, #ARGV do
  redis.call('SREM', TAG .. 'ux:' .. ARGV[2], ARGV[i])
  redis.call('HDEL', TAG .. 'uw:' .. ARGV[2], ARGV[i])
end
return {'ok', ARGV[2]}
