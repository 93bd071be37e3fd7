-- The merge is done or was refused: take the promise back.
-- KEYS[1] partition prefix (of the session that goes on)
-- ARGV: 1 instance  2 session  3 the session that was to go on in it
-- Reply: {'ok', session}
redis.call('ZREM', TAG .. 'rv:' .. ARGV[2], ARGV[3])
return {'ok', ARGV[2]}
