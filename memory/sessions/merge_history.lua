-- Put a merged session's history before that of the session in which it goes on, once.
-- KEYS[1] partition prefix (of the session that goes on)
-- ARGV: 1 instance  2 session  3 the one that ended  4 history entries kept at most  5 bytes of them  6.. entries
-- Reply: {'ok', session} | {'moved', session, where to} | not_found | erased | stale_instance
local sid, source = ARGV[2], ARGV[3]
local meta, wrong = open_session(sid)
if not meta then return wrong end
local taken, history = TAG .. 'mg:' .. sid, TAG .. 'h:' .. sid
if redis.call('HEXISTS', taken, source) == 1 then return {'ok', sid} end
if meta.moved then return {'moved', sid, meta.moved} end
local size, turns = tonumber(meta.history_bytes or '0'), {}
for i = #ARGV, 6, -1 do
  redis.call('LPUSH', history, ARGV[i])
  size = size + #ARGV[i]
  turns[#turns + 1] = string.match(ARGV[i], '"turn_id":"([^"]*)"')
end
while redis.call('LLEN', history) > 1 and (redis.call('LLEN', history) > tonumber(ARGV[4]) or size > tonumber(ARGV[5])) do
  size = size - #redis.call('LPOP', history)
end
redis.call('HSET', TAG .. 's:' .. sid, 'history_bytes', whole(size))
redis.call('HSET', taken, source, table.concat(turns, ' '))
redis.call('EXPIRE', taken, SESSION_TTL_S)
keep_session(sid)
return {'ok', sid}
