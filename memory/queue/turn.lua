-- A turn's fields.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 turn
-- Reply: {'ok', turn, session, tenant, user, state, input, record or '', last model call or ''} | unknown_turn
local turn_id = ARGV[2]
local t = redis.call('HMGET', TAG .. 't:' .. turn_id, 'session_id', 'tenant', 'user_id', 'state', 'input', 'record')
if not t[1] then return {'unknown_turn', turn_id} end
local last_call = redis.call('GET', TAG .. 'k:' .. turn_id)
if not last_call then
  local entries = redis.call('LRANGE', TAG .. 'j:' .. turn_id, 0, -1)
  for i = #entries, 1, -1 do
    if string.sub(entries[i], 1, 22) == '{"kind":"model_called"' then
      last_call = entries[i]
      break
    end
  end
end
return {'ok', turn_id, t[1], t[2], t[3], t[4], t[5], t[6] or '', last_call or ''}
