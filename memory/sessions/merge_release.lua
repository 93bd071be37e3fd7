-- The merge is done or was refused: take the promise back, but not that of another request for the same merge.
-- KEYS[1] partition prefix (of the session that goes on)
-- ARGV: 1 instance  2 session  3 the session that was to go on in it  4 until when it was promised, ms
-- Reply: {'ok', session}
redis.call('ZREM', TAG .. 'rv:' .. ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
return {'ok', ARGV[2]}
