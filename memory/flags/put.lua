-- Set flags of one scope, all or none, and put each change on the books.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 scope  3.. for each: key, version that is replaced, new version, flag, record
-- Reply: {'accepted', ''} | {'conflict', '', key whose version is another}
-- A repetition finds what it wrote itself and changes nothing.
local scope = ARGV[2]
local flags = TAG .. 'fl:' .. scope
local written = 0
for i = 3, #ARGV, 5 do
  local kept = redis.call('HGET', flags, ARGV[i])
  if kept == ARGV[i + 2] .. ' ' .. ARGV[i + 3] then
    written = written + 1
  elseif (kept and string.match(kept, '^%d+') or '0') ~= ARGV[i + 1] then
    return {'conflict', '', ARGV[i]}
  end
end
if written * 5 == #ARGV - 2 then return {'accepted', ''} end
for i = 3, #ARGV, 5 do
  redis.call('HSET', flags, ARGV[i], ARGV[i + 2] .. ' ' .. ARGV[i + 3])
  redis.call('XADD', TAG .. 'outbox', '*', 's', 'flags', 'd', ARGV[i + 4])
end
touch_flags(scope)
tell('outbox')
return {'accepted', ''}
