-- All that a fold needs, at one moment: the stored view and the whole log after it.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 '1' to read a session of another instance too (for its rebase)
-- Reply: {'ok', session, epoch, seq, instance, view or '', {message id, feedback, ...}, payload...}
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then
  if wrong[1] ~= 'stale_instance' or ARGV[5] ~= '1' then return wrong end
  local fields = redis.call('HMGET', TAG .. 's:' .. sid, 'epoch', 'seq', 'instance', 'view_seq')
  meta = {epoch = fields[1], seq = fields[2], instance = fields[3], view_seq = fields[4]}
end
local reply = {
  'ok', sid, meta.epoch, meta.seq, meta.instance,
  redis.call('GET', TAG .. 'v:' .. sid) or '', redis.call('HGETALL', TAG .. 'f:' .. sid),
}
for _, entry in ipairs(redis.call('XRANGE', TAG .. 'l:' .. sid, whole(meta.view_seq + 1) .. '-0', '+')) do
  reply[#reply + 1] = entry[2][4]
end
return reply
