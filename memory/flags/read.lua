-- The flags of a scope.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 scope
-- Reply: {'ok', '', state of the scope, the time in ms, key, `<version> <flag>`, ...}
local reply = {'ok', '', redis.call('HGET', TAG .. 'flv', ARGV[2]) or '', whole(now_ms())}
for _, item in ipairs(redis.call('HGETALL', TAG .. 'fl:' .. ARGV[2])) do reply[#reply + 1] = item end
return reply
