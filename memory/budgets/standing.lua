-- Where budgets of today are.
-- KEYS[1] partition prefix (the tenant's)
-- ARGV: 1 instance  2 tenant  3..8 label and end in ms of yesterday, today, tomorrow  9.. key and limit of each budget
-- Reply: {'ok', tenant, end of the day in ms, spent, held, ...}
local day, ends = today(3)
local reply = {'ok', ARGV[2], ends}
for i = 9, #ARGV, 2 do
  local it = budget(ARGV[i], ARGV[i + 1], day)
  reply[#reply + 1] = whole(it.spent)
  reply[#reply + 1] = whole(it.held)
end
return reply
