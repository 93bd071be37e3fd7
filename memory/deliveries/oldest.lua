-- When the oldest deliveries of a channel were made; nothing is leased.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant  3 channel  4 how many at most
-- Reply: {'ok', '', made_ms, ...}, oldest first
local waiting, leased = delivery_lists(ARGV[2], ARGV[3])
refresh_deliveries(waiting, leased)
local reply = {'ok', ''}
local found = redis.call('ZRANGE', waiting, 0, tonumber(ARGV[4]) - 1, 'WITHSCORES')
for i = 2, #found, 2 do reply[#reply + 1] = found[i] end
return reply
