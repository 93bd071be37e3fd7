-- Remembered replies: the same cid is answered the same way until its time is over.
local function remembered(sid, cid, digest)
  local kept = redis.call('HGET', TAG .. 'c:' .. sid, cid)
  if not kept then return nil end
  local expires, kept_digest, reply = string.match(kept, '^(%d+) (%S+) (.*)$')
  if tonumber(expires) < now_ms() then return nil end
  if kept_digest ~= digest then return {'conflict', sid} end
  return {'duplicate', sid, reply}
end

local function remember(sid, cid, digest, reply, ttl_s)
  local replies, expiries = TAG .. 'c:' .. sid, TAG .. 'cx:' .. sid
  local now = now_ms()
  local old = redis.call('ZRANGEBYSCORE', expiries, '-inf', whole(now), 'LIMIT', 0, 16)
  for _, name in ipairs(old) do
    redis.call('HDEL', replies, name)
    redis.call('ZREM', expiries, name)
  end
  local expires = whole(now + ttl_s * 1000)
  redis.call('HSET', replies, cid, expires .. ' ' .. digest .. ' ' .. reply)
  redis.call('ZADD', expiries, expires, cid)
end
