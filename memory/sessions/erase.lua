-- Erase a session: the tombstone first, then its turns are told, then every key goes, then readers are told.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user
-- Reply: {'ok', session}
local sid, tenant = ARGV[2], ARGV[3]
local meta_key = TAG .. 's:' .. sid
local owner = redis.call('HMGET', meta_key, 'tenant', 'user_id', 'current')
if owner[1] and (owner[1] ~= tenant or owner[2] ~= ARGV[4]) then return {'ok', sid} end
redis.call('DEL', meta_key)
redis.call('HSET', meta_key, 'erased', '1', 'tenant', tenant, 'user_id', ARGV[4])
redis.call('EXPIRE', meta_key, SESSION_TTL_S)
if owner[3] and owner[3] ~= '' then tell('cancel ' .. owner[3] .. ' erasure') end
local function drop(turn_ids)
  for _, turn_id in ipairs(turn_ids) do
    free_lease(tenant, turn_id)
    unready(tenant, turn_id)
    redis.call('DEL', TAG .. 't:' .. turn_id, TAG .. 'j:' .. turn_id, TAG .. 'k:' .. turn_id)
  end
end
drop({owner[3] or ''})
drop(redis.call('LRANGE', TAG .. 'i:' .. sid, 0, -1))
drop(redis.call('ZRANGE', TAG .. 'ts:' .. sid, 0, -1))
for _, kind in ipairs({'l:', 'v:', 'h:', 'i:', 'f:', 'c:', 'cx:', 'e:', 'ts:'}) do redis.call('DEL', TAG .. kind .. sid) end
redis.call('SPUBLISH', TAG .. 'ch:' .. sid, 'X')
return {'ok', sid}
