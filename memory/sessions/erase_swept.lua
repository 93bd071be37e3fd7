-- These sessions of a forgotten user were swept again: strike them off.
-- KEYS[1] partition prefix (the user's)
-- ARGV: 1 instance  2 user key  3.. sessions
-- Reply: {'ok', user key}
local again = TAG .. 'er:' .. ARGV[2]
for i = 3, #ARGV do redis.call('HDEL', again, 's:' .. ARGV[i]) end
local first
local flat = redis.call('HGETALL', again)
for i = 1, #flat, 2 do
  if string.sub(flat[i], 1, 2) == 's:' and (not first or tonumber(flat[i + 1]) < first) then first = tonumber(flat[i + 1]) end
end
if first then
  redis.call('ZADD', TAG .. 'erasures', 'XX', whole(first), ARGV[2]) -- those that were forgotten since
else
  redis.call('DEL', again)
  redis.call('ZREM', TAG .. 'erasures', ARGV[2])
end
return {'ok', ARGV[2]}
