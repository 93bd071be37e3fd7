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

-- Keep a run's journal entries, and perhaps what its last model call was sent: ARGV from `first` to `last` (or its end) is
-- how many entries, entries..., and the messages of that call, or nothing.
local function add_journal(turn_id, first, last)
  local count = tonumber(ARGV[first])
  if count == 0 then return end
  local journal = TAG .. 'j:' .. turn_id
  for i = 1, count do redis.call('RPUSH', journal, ARGV[first + i]) end
  redis.call('EXPIRE', journal, SESSION_TTL_S)
  local prompt = ARGV[first + count + 1]
  if prompt and first + count < (last or #ARGV) then redis.call('SET', TAG .. 'k:' .. turn_id, prompt, 'EX', PROMPT_TTL_S) end
end
