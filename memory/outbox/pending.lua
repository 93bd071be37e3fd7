-- The oldest records for SQL. Those of erased sessions are dropped on the way.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most
-- Reply: {'ok', '', id, record, ...}
local reply = {'ok', ''}
for _, entry in ipairs(redis.call('XRANGE', TAG .. 'outbox', '-', '+', 'COUNT', tonumber(ARGV[2]))) do
  local fields = entry[2]
  if redis.call('HEXISTS', TAG .. 's:' .. fields[2], 'erased') == 1 then
    redis.call('XDEL', TAG .. 'outbox', entry[1])
  else
    reply[#reply + 1] = entry[1]
    reply[#reply + 1] = fields[4]
  end
end
return reply
