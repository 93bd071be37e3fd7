-- What every node has said of its models.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 how long that is kept, ms
-- Reply: {'ok', '', node, when in ms, what, ...}
local reply = {'ok', ''}
local flat = redis.call('HGETALL', TAG .. 'mst')
local oldest = now_ms() - tonumber(ARGV[2])
for i = 1, #flat, 2 do
  local said_ms, said = string.match(flat[i + 1], '^(%d+) (.*)$')
  if tonumber(said_ms) >= oldest then
    reply[#reply + 1] = flat[i]
    reply[#reply + 1] = said_ms
    reply[#reply + 1] = said
  end
end
return reply
