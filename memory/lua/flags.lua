-- Shared by the scripts that change flags, which are all in partition 0.
--   fl:<scope>   HASH    flags by key: `<version> <flag as JSON>`; a scope is a tenant, or `*` for all of them
--   flv          HASH    the state of each scope: a number of microseconds, never the same twice, whatever Redis lost
-- Channel: flags, on which the scope is named that has changed.
local function touch_flags(scope)
  local last = tonumber(redis.call('HGET', TAG .. 'flv', scope) or '0')
  redis.call('HSET', TAG .. 'flv', scope, whole(math.max(now_us(), last + 1)))
  redis.call('SPUBLISH', TAG .. 'flags', scope)
end
