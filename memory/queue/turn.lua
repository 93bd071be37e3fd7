-- A turn's fields.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 turn
-- Reply: {'ok', turn, session, tenant, user, state, input, record or '', messages of the last model call or '',
--        the approval that it waits for or '', how it ends if it is cancelled now or ''} | unknown_turn
local turn_id = ARGV[2]
local t = redis.call('HMGET', TAG .. 't:' .. turn_id, 'session_id', 'tenant', 'user_id', 'state', 'input', 'record',
  'approval', 'ending')
if not t[1] then return {'unknown_turn', turn_id} end
local prompt = redis.call('GET', TAG .. 'k:' .. turn_id)
return {'ok', turn_id, t[1], t[2], t[3], t[4], t[5], t[6] or '', prompt or '', t[7] or '', t[8] or ''}
