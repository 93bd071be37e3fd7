-- Find what session a user's name stands for, or let it stand for a new one. In the user's partition; where all
-- sessions are there too, the session is opened on the way.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 user key  3 name  4 new session id  5 a session that was found erased, or ''
--       6 tenant  7 user  8 new epoch, or '' where the session is not to be opened
-- Reply: {'ok', user key, session} and, where it was opened, epoch, seq
local names = TAG .. 'u:' .. ARGV[2]
if ARGV[5] ~= '' and redis.call('HGET', names, ARGV[3]) == ARGV[5] then redis.call('HDEL', names, ARGV[3]) end
redis.call('HSETNX', names, ARGV[3], ARGV[4])
redis.call('EXPIRE', names, 34560000) -- 400 days: a name outlives its session
local sid = redis.call('HGET', names, ARGV[3])
if ARGV[8] == '' or string.sub(sid, 1, 4) ~= 'ses_' then return {'ok', ARGV[2], sid} end
local opened = open_or_make(sid, ARGV[6], ARGV[7], ARGV[3], ARGV[8])
if opened[1] ~= 'ok' then return {'ok', ARGV[2], sid} end -- who opens it by itself is told what is wrong
return {'ok', ARGV[2], sid, opened[3], opened[4]}
