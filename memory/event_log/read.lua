-- Events of a log after a seq.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 epoch  6 after  7 about how many bytes at most
-- Reply: {'ok', session, epoch, head, more (1 or 0), first, last, payload, first, ...}; 'gone' where it is another
--        epoch, cut off before, or ahead of the head.
local sid = ARGV[2]
local meta, wrong = open_session(sid, ARGV[3], ARGV[4])
if not meta then return wrong end
local after, head = tonumber(ARGV[6]), tonumber(meta.seq)
if meta.epoch ~= ARGV[5] or after > head or after < tonumber(meta.floor) then return {'gone', sid} end
local reply = {'ok', sid, meta.epoch, meta.seq, 0}
local size, limit = 0, tonumber(ARGV[7])
while after < head do
  local entries = redis.call('XRANGE', TAG .. 'l:' .. sid, whole(after + 1) .. '-0', '+', 'COUNT', 32)
  if #entries == 0 then return {'gone', sid} end
  for _, entry in ipairs(entries) do
    if size > 0 and size >= limit then
      reply[5] = 1
      return reply
    end
    local last = string.match(entry[1], '^%d+')
    reply[#reply + 1] = entry[2][2]
    reply[#reply + 1] = last
    reply[#reply + 1] = entry[2][4]
    size = size + #entry[2][4]
    after = tonumber(last)
  end
end
return reply
