-- Keep a verdict and put it on the books, once a cid.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 cid key  6 digest  7 how long the reply is kept, s  8 message
--       9 what the view shows  10 record  11.. messages whose verdicts are kept (those that are shown)
-- Reply: {'accepted', session} | {'duplicate', session, '{}'} | conflict | not_found | erased | stale_instance
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
local again = remembered(sid, ARGV[5], ARGV[6])
if again then return again end
local verdicts = TAG .. 'f:' .. sid
local shown = {}
for i = 11, #ARGV do shown[ARGV[i]] = true end
for _, message_id in ipairs(redis.call('HKEYS', verdicts)) do
  if not shown[message_id] then redis.call('HDEL', verdicts, message_id) end
end
redis.call('HSET', verdicts, ARGV[8], ARGV[9])
redis.call('XADD', TAG .. 'outbox', '*', 's', sid, 'd', ARGV[10])
remember(sid, ARGV[5], ARGV[6], '{}', tonumber(ARGV[7]))
keep_session(sid)
tell('outbox')
return {'accepted', sid}
