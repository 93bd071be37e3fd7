-- Drop the records of some sessions, some of the outbox a call: it is long where SQL has been away for long.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 after which id, '' to begin  3 how many records are looked at  4.. sessions
-- Reply: {'ok', '', after which id to go on, '' where all was seen}
local doomed = {}
for i = 4, #ARGV do doomed[ARGV[i]] = true end
local begin = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local entries = redis.call('XRANGE', TAG .. 'outbox', begin, '+', 'COUNT', ARGV[3])
for _, entry in ipairs(entries) do
  if doomed[entry[2][2]] then redis.call('XDEL', TAG .. 'outbox', entry[1]) end
end
return {'ok', '', #entries == tonumber(ARGV[3]) and entries[#entries][1] or ''}
