-- Keep the vector of a text, and note it under the user whose text it is, so that it can be forgotten.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 digest of tenant, model and text  3 vector  4 for how long, ms  5 user
-- Reply: {'ok', ''}
local key, index = TAG .. 'ce:' .. ARGV[2], TAG .. 'cu:' .. ARGV[5]
redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
redis.call('ZADD', index, now + ARGV[4], key)
redis.call('PEXPIREAT', index, redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2])
return {'ok', ''}
