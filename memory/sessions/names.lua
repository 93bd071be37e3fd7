-- All sessions of a user: those that a name stands for, and merged ones.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 user key
-- Reply: {'ok', user key, session, ...}
local reply = {'ok', ARGV[2]}
local seen = {}
local function add(sid)
  if seen[sid] or string.find(sid, ':', 1, true) then return end -- with a colon it is another user's
  seen[sid] = true
  reply[#reply + 1] = sid
end
for _, sid in ipairs(redis.call('HVALS', TAG .. 'u:' .. ARGV[2])) do add(sid) end
for _, sid in ipairs(redis.call('SMEMBERS', TAG .. 'um:' .. ARGV[2])) do add(sid) end
return reply
