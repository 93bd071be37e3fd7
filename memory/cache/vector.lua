-- The vector of a text.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 digest of tenant, model and text
-- Reply: {'ok', '', the vector or ''}
return {'ok', '', redis.call('GET', TAG .. 'ce:' .. ARGV[2]) or ''}
