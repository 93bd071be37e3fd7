-- Begin a session's log anew, its messages, turn and queue kept in the view: after Redis came back as another process.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 old epoch  4 old instance  5 new epoch  6 view (of the new epoch at seq 0)
-- Reply: {'ok', session}, also where another node has done it.
local sid = ARGV[2]
local meta_key = TAG .. 's:' .. sid
local m = redis.call('HMGET', meta_key, 'epoch', 'instance', 'erased')
if m[3] then return {'erased', sid} end
if not m[1] then return {'not_found', sid} end
if m[2] == INSTANCE or m[1] ~= ARGV[3] or m[2] ~= ARGV[4] then return {'ok', sid} end
redis.call('SET', TAG .. 'v:' .. sid, ARGV[6])
redis.call('DEL', TAG .. 'l:' .. sid, TAG .. 'e:' .. sid)
redis.call('HSET', meta_key, 'epoch', ARGV[5], 'instance', INSTANCE, 'seq', '0', 'floor', '0', 'view_seq', '0')
keep_session(sid)
redis.call('SPUBLISH', TAG .. 'ch:' .. sid, 'N ' .. ARGV[5])
return {'ok', sid}
