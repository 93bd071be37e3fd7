-- Delete what is counted for a user.
-- KEYS[1] partition prefix (the tenant's)
-- ARGV: 1 instance  2 key of the user's budget
-- Reply: {'ok', key}
redis.call('DEL', TAG .. ARGV[2])
return {'ok', ARGV[2]}
