-- Take out of a session's history what came from a merged one, whose user is forgotten.
-- KEYS[1] partition prefix (of the session that goes on)
-- ARGV: 1 instance  2 session  3 the one that ended, or ''  4 its turns, where a session between had them: ids, spaced
-- Reply: {'ok', session, the turns, where this session goes on itself or ''}
local sid = ARGV[2]
local history = TAG .. 'h:' .. sid
local turns = ARGV[4]
if ARGV[3] ~= '' then turns = redis.call('HGET', TAG .. 'mg:' .. sid, ARGV[3]) or '' end
local into = redis.call('HGET', TAG .. 's:' .. sid, 'moved') or ''
if turns == '' then return {'ok', sid, turns, into} end
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
if redis.call('HEXISTS', TAG .. 's:' .. sid, 'history_bytes') == 1 then
  redis.call('HSET', TAG .. 's:' .. sid, 'history_bytes', whole(size))
end
return {'ok', sid, turns, into}
