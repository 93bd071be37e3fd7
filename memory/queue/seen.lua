-- The remembered reply of a cid.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 cid key  6 digest
-- Reply: {'duplicate', session, reply} | {'new', session} | conflict | not_found | erased | stale_instance
local meta, wrong = open_session(ARGV[2], ARGV[3], ARGV[4])
if not meta then return wrong end
return remembered(ARGV[2], ARGV[5], ARGV[6]) or {'new', ARGV[2]}
