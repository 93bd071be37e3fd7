-- A user's names for a merged session stand for the one in which it goes on. The user still owns the merged one.
-- KEYS[1] partition prefix (the user's)
-- ARGV: 1 instance  2 user key  3 the session that ended  4 what its names hold from now on; '': they are free
--       5 where it goes on, or ''
-- Reply: {'ok', user key}
local names, merged = TAG .. 'u:' .. ARGV[2], TAG .. 'um:' .. ARGV[2]
local flat = redis.call('HGETALL', names)
for i = 1, #flat, 2 do
  if flat[i + 1] == ARGV[3] and ARGV[4] ~= '' then redis.call('HSET', names, flat[i], ARGV[4]) end
  if flat[i + 1] == ARGV[3] and ARGV[4] == '' then redis.call('HDEL', names, flat[i]) end
end
redis.call('SADD', merged, ARGV[3])
if ARGV[5] ~= '' then redis.call('HSET', TAG .. 'uw:' .. ARGV[2], ARGV[3], ARGV[5]) end
for _, kind in ipairs({'um:', 'uw:'}) do redis.call('EXPIRE', TAG .. kind .. ARGV[2], 34560000) end -- as long as names
return {'ok', ARGV[2]}
