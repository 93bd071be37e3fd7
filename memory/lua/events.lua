-- Number, store and publish events: each body is JSON text that begins with `{`. Gives the new last seq.
local function add_events(sid, epoch, seq, bodies)
  local numbered = {}
  for i = 1, #bodies do
    numbered[i] = '{"seq":' .. whole(seq + i) .. ',' .. string.sub(bodies[i], 2)
  end
  local first, last = whole(seq + 1), whole(seq + #bodies)
  local payload = '[' .. table.concat(numbered, ',') .. ']'
  redis.call('XADD', TAG .. 'l:' .. sid, last .. '-0', 'f', first, 'd', payload)
  if seq == 0 then redis.call('EXPIRE', TAG .. 'l:' .. sid, SESSION_TTL_S) end -- a log that begins, or begins anew
  redis.call('SPUBLISH', TAG .. 'ch:' .. sid, 'E ' .. epoch .. ' ' .. first .. ' ' .. last .. '\n' .. payload)
  return seq + #bodies
end
