-- Put turns whose leases ran out back among the ready, in front. A cancelled one too: its next run writes the end.
-- Where Redis itself stood still, all leases ran out though their runs are well: nothing is put back for a while, so
-- that these can renew first. A node sees it by what it was told last; in a new life of Redis no run is well.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most  3 Redis stood still where the last reap was longer ago than this, ms
--       4 how long nothing is put back then, ms  and of the node's last reap, or '':  5 instance  6 when, ms
--       7 before when nothing is put back, ms
-- Reply: {'ok', '', how many, instance, now, before when nothing is put back}
local now = now_ms()
local from = tonumber(ARGV[7]) or 0
if ARGV[5] == INSTANCE then
  if now - tonumber(ARGV[6]) > tonumber(ARGV[3]) then from = now + tonumber(ARGV[4]) end
else
  from = 0
end
local count = 0
if now >= from then
  local dead = redis.call('ZRANGEBYSCORE', TAG .. 'leases', '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[2]))
  for _, turn_id in ipairs(dead) do count = count + put_back(turn_id) end
end
if count > 0 then tell('ready') end
return {'ok', '', count, INSTANCE, whole(now), whole(from)}
