-- All names of a user.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 user key
-- Reply: {'ok', user key, name, session, ...}
local reply = {'ok', ARGV[2]}
for _, value in ipairs(redis.call('HGETALL', TAG .. 'u:' .. ARGV[2])) do reply[#reply + 1] = value end
return reply
