-- All that a turn wrote down.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 turn
-- Reply: {'ok', turn, session, tenant, user, state, input, record or '', entry...} | unknown_turn
local turn_id = ARGV[2]
local t = redis.call('HMGET', TAG .. 't:' .. turn_id, 'session_id', 'tenant', 'user_id', 'state', 'input', 'record')
if not t[1] then return {'unknown_turn', turn_id} end
local reply = {'ok', turn_id, t[1], t[2], t[3], t[4], t[5], t[6] or ''}
for _, entry in ipairs(redis.call('LRANGE', TAG .. 'j:' .. turn_id, 0, -1)) do reply[#reply + 1] = entry end
return reply
