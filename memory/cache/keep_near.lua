-- Keep an answered question in its bucket, which holds the newest only, and note it under the user who asked it.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant  3 digest of whose and which bucket  4 digest of the question  5 question
--       6 for how long, ms  7 user  8 how many a bucket holds
-- Reply: {'ok', ''}
local generation = redis.call('GET', TAG .. 'cg:' .. ARGV[2]) or '0'
local bucket = ARGV[3] .. ':' .. generation
local questions, expiry, index = TAG .. 'cn:' .. bucket, TAG .. 'cz:' .. bucket, TAG .. 'cu:' .. ARGV[7]
local now = now_ms()
local expires = now + ARGV[6]
redis.call('HSET', questions, ARGV[4], ARGV[5])
redis.call('ZADD', expiry, expires, ARGV[4])
local old = redis.call('ZRANGEBYSCORE', expiry, '-inf', whole(now))
local over = redis.call('ZCARD', expiry) - #old - tonumber(ARGV[8])
if over > 0 then old = redis.call('ZRANGE', expiry, 0, #old + over - 1) end
for _, field in ipairs(old) do
  redis.call('HDEL', questions, field)
  redis.call('ZREM', expiry, field)
end
local last = redis.call('ZREVRANGE', expiry, 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', questions, last[2])
redis.call('PEXPIREAT', expiry, last[2])
redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
redis.call('ZADD', index, expires, questions .. ' ' .. ARGV[4])
redis.call('PEXPIREAT', index, redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2])
return {'ok', ''}
