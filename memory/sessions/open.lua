-- Open a session, or make it where there is none.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 name  6 new epoch
-- Reply: {'ok', session, epoch, seq} | not_found | erased | stale_instance
return open_or_make(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
