-- An answer of the cache.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant  3 digest of whose and which question
-- Reply: {'ok', '', the answer or '', the tenant's generation}
local generation = redis.call('GET', TAG .. 'cg:' .. ARGV[2]) or '0'
return {'ok', '', redis.call('GET', TAG .. 'ca:' .. ARGV[3] .. ':' .. generation) or '', generation}
