-- Hold money for a call: before it is made (extension 0) what it would like where that leaves enough, else what it
-- needs; later what it would like, or what is left.
-- KEYS[1] partition prefix (the tenant's)
-- ARGV: 1 instance  2 call  3 number of the extension, 0 for the first hold  4 what it needs  5 what it would like, in
--       micro-dollars  6..11 label and end in ms of yesterday, today, tomorrow  12 whether to warn at the limit, 1 or 0
--       13.. key and limit of each budget
-- Reply: {'granted', call, what it holds in all}
--        | {'refused', call, number of the budget from 1, end of its day in ms, 'spent' or 'held', warning or 0}
local call, number, need, want = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local record_key = TAG .. 'bc:' .. call
local record = call_record(call)
if record and record.settled then return {'granted', call, '0'} end
if record and number <= record.n then return kept_reply(call, record.reply) end
local began = record and record.holds
local day, ends
if began then day, ends = record.day, record.ends else day, ends = today(6) end
local counted, refused = {}, nil
local own = began and record.held or 0
local left = want
for i = 13, #ARGV, 2 do
  local it = budget(ARGV[i], ARGV[i + 1], day)
  local index = (i - 11) / 2
  -- a budget that was forgotten since the call began is none of its any more
  if not began or record.born[index] == it.born then
    local taken = it.spent + it.held
    local room = it.limit - taken
    if number == 0 and taken + want > it.limit * WHOLE_SHARE then room = need end
    left = math.min(left, room)
    local is_spent = it.spent + own + need > it.limit -- also without what other calls hold
    if taken + need > it.limit and (not refused or (is_spent and not refused.is_spent)) then
      refused = {it = it, index = index, is_spent = is_spent}
    end
    counted[#counted + 1] = it
  end
end
local text
if refused then
  local warning = 0
  if refused.is_spent and ARGV[12] == '1' and refused.it.told < 100 then
    warning = 100
    begin_day(refused.it, day, ends, 6)
    redis.call('HSET', refused.it.name, day .. ':told', '100')
  end
  text = table.concat({'refused', whole(refused.index), ends, refused.is_spent and 'spent' or 'held', warning}, ' ')
else
  local born = {}
  for index, it in ipairs(counted) do
    begin_day(it, day, ends, 6)
    redis.call('HINCRBY', it.name, day .. ':held', whole(left))
    born[index] = it.born
  end
  text = 'granted ' .. whole(own + left)
  if not began then
    redis.call('HSET', record_key, 'day', day, 'ends', ends, 'born', table.concat(born, ' '))
    redis.call('PEXPIREAT', record_key, whole(tonumber(ends) + KEPT_AFTER_DAY_MS))
  end
  own = own + left
end
redis.call('HSET', record_key, 'n', ARGV[3], 'reply', text, 'held', whole(own))
if refused and not began then
  redis.call('HSET', record_key, 'day', day, 'ends', ends, 'born', '')
  redis.call('EXPIRE', record_key, REPEATED_S)
end
return kept_reply(call, text)
