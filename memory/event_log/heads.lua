-- Where logs stand, many at once; for the hub.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2.. sessions
-- Reply: {'ok', '', session, state, epoch, seq, busy (1 or 0: a turn is ready or
--        runs), session, ...}; state ok | erased | not_found | stale_instance
local reply = {'ok', ''}
for i = 2, #ARGV do
  local m = redis.call('HMGET', TAG .. 's:' .. ARGV[i], 'erased', 'instance', 'epoch', 'seq', 'current', 'parked')
  local state = 'ok'
  if m[1] then state = 'erased' elseif not m[2] then state = 'not_found'
  elseif m[2] ~= INSTANCE then state = 'stale_instance' end
  local busy = (m[5] and m[5] ~= '' and (m[6] or '') == '') and 1 or 0
  for _, value in ipairs({ARGV[i], state, m[3] or '', m[4] or '0', busy}) do
    reply[#reply + 1] = value
  end
end
return reply
