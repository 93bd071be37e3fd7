-- Store a newer fold and cut the log before it, but never an event of a turn that runs, waits, or ended less than
-- ARGV[6] ms ago.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 epoch  4 seq of the view  5 view  6 how long ended turns are kept, ms
-- Reply: {'ok', session, floor}; 'gone' where the log is another, or a newer fold is stored.
local sid = ARGV[2]
local meta, wrong = open_session(sid)
if not meta then return wrong end
local seq = tonumber(ARGV[4])
if meta.epoch ~= ARGV[3] or seq < tonumber(meta.view_seq) or seq > tonumber(meta.seq) then return {'gone', sid} end
redis.call('SET', TAG .. 'v:' .. sid, ARGV[5], 'EX', SESSION_TTL_S)
local cut = seq
local function spare(first)
  if first and tonumber(first) - 1 < cut then cut = tonumber(first) - 1 end
end
local function spare_turn(turn_id)
  local marks = redis.call('HMGET', TAG .. 't:' .. turn_id, 'first_seq', 'first_epoch')
  spare(marks[2] == meta.epoch and marks[1] or '1')
end
if meta.current ~= '' then spare_turn(meta.current) end
local waiting = redis.call('LINDEX', TAG .. 'i:' .. sid, 0)
if waiting then spare_turn(waiting) end
redis.call('ZREMRANGEBYSCORE', TAG .. 'e:' .. sid, '-inf', whole(now_ms() - tonumber(ARGV[6])))
for _, member in ipairs(redis.call('ZRANGE', TAG .. 'e:' .. sid, 0, -1)) do spare(string.match(member, '^%d+')) end
local floor = tonumber(meta.floor)
if cut > floor then
  redis.call('XTRIM', TAG .. 'l:' .. sid, 'MINID', whole(cut + 1) .. '-0')
  local oldest = redis.call('XRANGE', TAG .. 'l:' .. sid, '-', '+', 'COUNT', 1)[1]
  floor = oldest and tonumber(oldest[2][2]) - 1 or seq
end
redis.call('HSET', TAG .. 's:' .. sid, 'view_seq', ARGV[4], 'floor', whole(floor))
return {'ok', sid, whole(floor)}
