-- Records are in SQL: drop them.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2.. ids
-- Reply: {'ok', '', how many are left}
for i = 2, #ARGV do redis.call('XDEL', TAG .. 'outbox', ARGV[i]) end
return {'ok', '', redis.call('XLEN', TAG .. 'outbox')}
