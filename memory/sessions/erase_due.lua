-- Sessions of users who were forgotten a while ago, to be swept again.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how long ago, ms  3 how many users at most
-- Reply: {'ok', '', {tenant, user, session...}, ...}
local reply = {'ok', ''}
local until_ms = now_ms() - tonumber(ARGV[2])
local users = redis.call('ZRANGEBYSCORE', TAG .. 'erasures', '-inf', whole(until_ms), 'LIMIT', 0, tonumber(ARGV[3]))
for _, user_key in ipairs(users) do
  local again = TAG .. 'er:' .. user_key
  local owner = redis.call('HMGET', again, 'tenant', 'user_id')
  if owner[1] then
    local item = {owner[1], owner[2]}
    local flat = redis.call('HGETALL', again)
    for i = 1, #flat, 2 do
      if string.sub(flat[i], 1, 2) == 's:' and tonumber(flat[i + 1]) <= until_ms then
        item[#item + 1] = string.sub(flat[i], 3)
      end
    end
    reply[#reply + 1] = item
  else
    redis.call('ZREM', TAG .. 'erasures', user_key)
  end
end
return reply
