-- Keep an answer, and note it under the user whose question it answers, so that it can be forgotten.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant  3 digest of whose and which question  4 answer  5 for how long, ms  6 user
--       7 the generation in which it was asked for, or ''
-- Reply: {'ok', ''}
local generation = redis.call('GET', TAG .. 'cg:' .. ARGV[2]) or '0'
if ARGV[7] ~= '' and ARGV[7] ~= generation then return {'ok', ''} end -- cleared meanwhile
local key = TAG .. 'ca:' .. ARGV[3] .. ':' .. generation
redis.call('SET', key, ARGV[4], 'PX', ARGV[5])
local index = TAG .. 'cu:' .. ARGV[6]
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
redis.call('ZADD', index, now + ARGV[5], key)
local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', index, last[2])
return {'ok', ''}
