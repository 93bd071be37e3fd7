-- Publish something that is not durable.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 channel, without the prefix  3 message
-- Reply: {'ok', channel}
redis.call('SPUBLISH', TAG .. ARGV[2], ARGV[3])
return {'ok', ARGV[2]}
