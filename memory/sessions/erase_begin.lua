-- Begin to forget a user: their sessions, merged ones too, go to a list of what is to be erased, which stays until all
-- of it is, and to another of what is to be swept again.
-- KEYS[1] partition prefix (the user's)
-- ARGV: 1 instance  2 user key  3 tenant  4 user
-- Reply: {'ok', user key, session, where it was merged into or '', ...}
local user_key = ARGV[2]
local names, merged, doomed = TAG .. 'u:' .. user_key, TAG .. 'um:' .. user_key, TAG .. 'ux:' .. user_key
local again = TAG .. 'er:' .. user_key
redis.call('INCR', TAG .. 'ug:' .. user_key) -- the user's generation
redis.call('EXPIRE', TAG .. 'ug:' .. user_key, SESSION_TTL_S)
local reply = {'ok', user_key}
local now = whole(now_ms())
local function doom(sid)
  if string.find(sid, ':', 1, true) then return end -- a name that stands for another user's session
  redis.call('SADD', doomed, sid)
  redis.call('HSETNX', again, 's:' .. sid, now)
end
for _, sid in ipairs(redis.call('HVALS', names)) do doom(sid) end
for _, sid in ipairs(redis.call('SMEMBERS', merged)) do doom(sid) end
redis.call('DEL', names, merged)
redis.call('EXPIRE', doomed, SESSION_TTL_S)
for _, sid in ipairs(redis.call('SMEMBERS', doomed)) do
  reply[#reply + 1] = sid
  reply[#reply + 1] = redis.call('HGET', TAG .. 'uw:' .. user_key, sid) or ''
end
if #reply > 2 then
  redis.call('HSET', again, 'tenant', ARGV[3], 'user_id', ARGV[4])
  redis.call('EXPIRE', again, SESSION_TTL_S)
  redis.call('ZADD', TAG .. 'erasures', 'NX', now, user_key)
end
return reply
