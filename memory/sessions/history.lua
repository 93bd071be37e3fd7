-- What ended turns left for the model's context.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user
-- Reply: {'ok', session, entry...}
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
local reply = {'ok', sid}
for _, entry in ipairs(redis.call('LRANGE', TAG .. 'h:' .. sid, 0, -1)) do reply[#reply + 1] = entry end
return reply
