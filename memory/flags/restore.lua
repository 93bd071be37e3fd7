-- Put flags back that Redis has lost. What is newer here stays; nothing goes on the books, where they come from.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 scope  3.. for each: key, version, flag
-- Reply: {'ok', '', how many were put back}
local flags = TAG .. 'fl:' .. ARGV[2]
local restored = 0
for i = 3, #ARGV, 3 do
  local kept = redis.call('HGET', flags, ARGV[i])
  if tonumber(kept and string.match(kept, '^%d+') or '0') < tonumber(ARGV[i + 1]) then
    redis.call('HSET', flags, ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
    restored = restored + 1
  end
end
if restored > 0 then touch_flags(ARGV[2]) end
return {'ok', '', restored}
