-- The answered questions of a bucket.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 tenant  3 digest of whose and which bucket
-- Reply: {'ok', '', each question that has not expired}
local generation = redis.call('GET', TAG .. 'cg:' .. ARGV[2]) or '0'
local bucket = ARGV[3] .. ':' .. generation
local reply = {'ok', ''}
local fields = redis.call('ZRANGEBYSCORE', TAG .. 'cz:' .. bucket, '(' .. whole(now_ms()), '+inf')
if #fields == 0 then return reply end
for _, question in ipairs(redis.call('HMGET', TAG .. 'cn:' .. bucket, unpack(fields))) do
  if question then reply[#reply + 1] = question end
end
return reply
