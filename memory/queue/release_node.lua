-- A node has died: the turns that it ran are ready at once, in front. Their runs count.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 node
-- Reply: {'ok', '', how many}
local count = 0
for _, turn_id in ipairs(redis.call('ZRANGE', TAG .. 'leases', 0, -1)) do
  if redis.call('HGET', TAG .. 't:' .. turn_id, 'node') == ARGV[2] then count = count + put_back(turn_id) end
end
if count > 0 then tell('ready') end
return {'ok', '', count}
