-- Merges that were begun a while ago and are not done.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how long ago, ms  3 how many at most
-- Reply: {'ok', '', task...}
local reply = {'ok', ''}
local until_ms = whole(now_ms() - tonumber(ARGV[2]))
local found = redis.call('ZRANGEBYSCORE', TAG .. 'merges', '-inf', until_ms, 'LIMIT', 0, tonumber(ARGV[3]))
for _, task in ipairs(found) do reply[#reply + 1] = task end
return reply
