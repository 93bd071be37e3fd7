-- Resolve approvals whose time is over: declined, by timeout.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how many at most
-- Reply: {'ok', '', how many, {session, tenant, user} of another instance, ...}
local reply = {'ok', '', 0}
local due = redis.call('ZRANGEBYSCORE', TAG .. 'parked', '-inf', whole(now_ms()), 'LIMIT', 0, tonumber(ARGV[2]))
for _, turn_id in ipairs(due) do
  local t = redis.call('HMGET', TAG .. 't:' .. turn_id, 'session_id', 'tenant', 'user_id', 'approval')
  local approval = t[4] and approval_of(t[4])
  local meta, wrong
  if approval then meta, wrong = open_session(t[1]) end
  if meta and meta.current == turn_id then
    local bodies = {}
    say_resolved(bodies, approval, false, 'timeout')
    local seq = add_events(t[1], meta.epoch, tonumber(meta.seq), bodies)
    redis.call('HSET', TAG .. 's:' .. t[1], 'seq', whole(seq))
    resume(meta, approval, 'expired', false, 'timeout', '')
    keep_session(t[1])
    reply[3] = reply[3] + 1
  elseif wrong and wrong[1] == 'stale_instance' then
    reply[#reply + 1] = {t[1], t[2], t[3]}
  else
    redis.call('ZREM', TAG .. 'parked', turn_id) -- erased meanwhile
  end
end
return reply
