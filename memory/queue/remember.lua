-- Keep a refusal as the reply of a cid, unless there is one.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 cid key  6 digest  7 how long it is kept, s  8 reply
-- Reply: {'kept', session} | {'duplicate', session, reply} | conflict | not_found | erased | stale_instance
local meta, wrong = open_session(ARGV[2], ARGV[3], ARGV[4])
if not meta then return wrong end
local again = remembered(ARGV[2], ARGV[5], ARGV[6])
if again then return again end
remember(ARGV[2], ARGV[5], ARGV[6], ARGV[8], tonumber(ARGV[7]))
keep_session(ARGV[2])
return {'kept', ARGV[2]}
