-- Take out of a session's history what came from a merged one, whose user is forgotten.
-- KEYS[1] partition prefix (of the session that goes on)
-- ARGV: 1 instance  2 session  3 the one that ended
-- Reply: {'ok', session}
local sid = ARGV[2]
local history = TAG .. 'h:' .. sid
local turns = redis.call('HGET', TAG .. 'mg:' .. sid, ARGV[3])
if not turns or turns == '' then return {'ok', sid} end
local doomed = {}
for turn_id in string.gmatch(turns, '%S+') do doomed[turn_id] = true end
local size = 0
for _, entry in ipairs(redis.call('LRANGE', history, 0, -1)) do
  if doomed[string.match(entry, '"turn_id":"([^"]*)"')] then
    redis.call('LREM', history, 1, entry)
  else
    size = size + #entry
  end
end
redis.call('HSET', TAG .. 's:' .. sid, 'history_bytes', whole(size))
redis.call('HSET', TAG .. 'mg:' .. sid, ARGV[3], '') -- it was merged, and nothing of it is here
return {'ok', sid}
