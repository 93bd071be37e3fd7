-- Find what session a user's name stands for, or let it stand for a new one. In the user's partition.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 user key  3 name  4 new session id  5 a session that was found erased, or ''
-- Reply: {'ok', user key, session}
local names = TAG .. 'u:' .. ARGV[2]
if ARGV[5] ~= '' and redis.call('HGET', names, ARGV[3]) == ARGV[5] then redis.call('HDEL', names, ARGV[3]) end
redis.call('HSETNX', names, ARGV[3], ARGV[4])
redis.call('EXPIRE', names, 34560000) -- 400 days: a name outlives its session
return {'ok', ARGV[2], redis.call('HGET', names, ARGV[3])}
