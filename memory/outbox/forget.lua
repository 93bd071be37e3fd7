-- Drop every record of some sessions.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2.. sessions
-- Reply: {'ok', '', how many}
local doomed, count = {}, 0
for i = 2, #ARGV do doomed[ARGV[i]] = true end
for _, entry in ipairs(redis.call('XRANGE', TAG .. 'outbox', '-', '+')) do
  if doomed[entry[2][2]] then count = count + redis.call('XDEL', TAG .. 'outbox', entry[1]) end
end
return {'ok', '', count}
