-- Forget all answers of a tenant: what is kept of them is found by nobody, and expires.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant
-- Reply: {'ok', ''}
redis.call('INCR', TAG .. 'cg:' .. ARGV[2])
return {'ok', ''}
