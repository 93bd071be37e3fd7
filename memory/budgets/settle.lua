-- Put what a call cost in the place of what it holds.
-- KEYS[1] partition prefix (the tenant's)
-- ARGV: 1 instance  2 call  3 what it cost, in micro-dollars  4 thresholds of warnings in percent, spaced
--       5..10 label and end in ms of yesterday, today, tomorrow  11.. key and limit of each budget
-- Reply: {'settled', call, number of the budget from 1, warning, ...}, the budgets that reached a new threshold
local call, actual = ARGV[2], tonumber(ARGV[3])
local record = call_record(call)
if record and record.settled then return kept_reply(call, record.reply) end
local began = record and record.holds
local day, ends
if began then day, ends = record.day, record.ends else day, ends = today(5) end
local reply = {'settled'}
for i = 11, #ARGV, 2 do
  local it = budget(ARGV[i], ARGV[i + 1], day)
  local index = (i - 9) / 2
  -- what was forgotten since the call began is not begun anew; a call that holds nothing counts where it cost something
  if (began and record.born[index] == it.born) or (not began and actual > 0) then
    begin_day(it, day, ends, 5)
    if began then redis.call('HINCRBY', it.name, day .. ':held', whole(0 - record.held)) end
    redis.call('HINCRBY', it.name, day .. ':spent', whole(actual))
    local warning = 0
    for percent in string.gmatch(ARGV[4], '%d+') do
      percent = tonumber(percent)
      if percent > it.told and percent > warning and (it.spent + actual) * 100 >= it.limit * percent then
        warning = percent
      end
    end
    if warning > 0 then
      redis.call('HSET', it.name, day .. ':told', whole(warning))
      reply[#reply + 1] = whole(index)
      reply[#reply + 1] = whole(warning)
    end
  end
end
local text = table.concat(reply, ' ')
redis.call('HSET', TAG .. 'bc:' .. call, 'n', '0', 'reply', text, 'day', day, 'ends', ends, 'held', '0', 'born', '',
  'settled', '1')
redis.call('EXPIRE', TAG .. 'bc:' .. call, REPEATED_S)
return kept_reply(call, text)
