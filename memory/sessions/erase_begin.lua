-- Begin to forget a user: their names go to a list of what is to be erased, which stays until all of it is.
-- KEYS[1] partition prefix (the user's)
-- ARGV: 1 instance  2 user key
-- Reply: {'ok', user key, session...}
local names, doomed = TAG .. 'u:' .. ARGV[2], TAG .. 'ux:' .. ARGV[2]
redis.call('INCR', TAG .. 'ug:' .. ARGV[2]) -- the user's generation
redis.call('EXPIRE', TAG .. 'ug:' .. ARGV[2], SESSION_TTL_S)
for _, sid in ipairs(redis.call('HVALS', names)) do redis.call('SADD', doomed, sid) end
redis.call('DEL', names)
redis.call('EXPIRE', doomed, SESSION_TTL_S)
local reply = {'ok', ARGV[2]}
for _, sid in ipairs(redis.call('SMEMBERS', doomed)) do reply[#reply + 1] = sid end
return reply
