-- In which state the scopes are: another one than before is read anew.
-- KEYS[1] partition prefix
-- ARGV: 1 instance
-- Reply: {'ok', '', scope, state, ...}
local reply = {'ok', ''}
for _, item in ipairs(redis.call('HGETALL', TAG .. 'flv')) do reply[#reply + 1] = item end
return reply
