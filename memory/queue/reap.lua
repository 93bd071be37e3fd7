-- Put turns whose leases ran out back among the ready, in front. A cancelled one too: its next run writes the end.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most
-- Reply: {'ok', '', how many}
local dead = redis.call('ZRANGEBYSCORE', TAG .. 'leases', '-inf', whole(now_ms()), 'LIMIT', 0, tonumber(ARGV[2]))
local count = 0
for _, turn_id in ipairs(dead) do
  local tenant = redis.call('HGET', TAG .. 't:' .. turn_id, 'tenant')
  if tenant then
    free_lease(tenant, turn_id)
    make_ready(tenant, turn_id, true)
    count = count + 1
  else
    redis.call('ZREM', TAG .. 'leases', turn_id)
  end
end
if count > 0 then tell('ready') end
return {'ok', '', count}
