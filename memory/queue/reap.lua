-- Put turns whose leases ran out back among the ready, in front. A cancelled one too: its next run writes the end.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most
-- Reply: {'ok', '', how many}
local dead = redis.call('ZRANGEBYSCORE', TAG .. 'leases', '-inf', whole(now_ms()), 'LIMIT', 0, tonumber(ARGV[2]))
local count = 0
for _, turn_id in ipairs(dead) do count = count + put_back(turn_id) end
if count > 0 then tell('ready') end
return {'ok', '', count}
