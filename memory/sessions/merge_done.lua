-- Strike a merge off the list of what is to be done.
-- KEYS[1] partition prefix (of the session that ended)
-- ARGV: 1 instance  2 task
-- Reply: {'ok', ''}
redis.call('ZREM', TAG .. 'merges', ARGV[2])
return {'ok', ''}
