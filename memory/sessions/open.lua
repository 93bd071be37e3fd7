-- Open a session, or make it where there is none.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 name  6 new epoch
-- Reply: {'ok', session, epoch, seq} | not_found | erased | stale_instance
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if wrong and wrong[1] == 'not_found' and redis.call('EXISTS', TAG .. 's:' .. sid) == 0 then
  redis.call('HSET', TAG .. 's:' .. sid, 'tenant', ARGV[3], 'user_id', ARGV[4], 'name', ARGV[5], 'epoch', ARGV[6],
    'instance', INSTANCE, 'seq', '0', 'floor', '0', 'view_seq', '0', 'created_ms', whole(now_ms()),
    'current', '', 'latest', '', 'fence', '0', 'nonce', '', 'batch', '0', 'cancel', '')
  for _, kind in ipairs({'l:', 'v:', 'h:', 'i:', 'f:', 'e:'}) do redis.call('DEL', TAG .. kind .. sid) end
  keep_session(sid)
  return {'ok', sid, ARGV[6], '0'}
end
if wrong then return wrong end
keep_session(sid)
return {'ok', sid, meta.epoch, meta.seq}
