-- Erase a session: the tombstone first, then its turns are told, then every key goes, then readers are told.
-- KEYS[1] partition prefix
-- ARGV: 1 instance  2 session  3 tenant  4 user  5 where it was merged into, for one that ran out since, or ''
-- Reply: {'ok', session, where it was merged into or ''}; 'foreign' where it is another's, and nothing was done
local sid, tenant = ARGV[2], ARGV[3]
local meta_key = TAG .. 's:' .. sid
local owner = redis.call('HMGET', meta_key, 'tenant', 'user_id', 'current', 'moved')
if owner[1] and (owner[1] ~= tenant or owner[2] ~= ARGV[4]) then return {'foreign', sid} end
local moved = owner[4] or ARGV[5]
redis.call('DEL', meta_key)
redis.call('HSET', meta_key, 'erased', '1', 'tenant', tenant, 'user_id', ARGV[4])
if moved ~= '' then redis.call('HSET', meta_key, 'moved', moved) end
redis.call('EXPIRE', meta_key, SESSION_TTL_S)
if owner[3] and owner[3] ~= '' then tell('cancel ' .. owner[3] .. ' erasure') end
local function drop(turn_ids)
  for _, turn_id in ipairs(turn_ids) do drop_turn(tenant, turn_id) end
end
drop({owner[3] or ''})
drop(redis.call('LRANGE', TAG .. 'i:' .. sid, 0, -1))
drop(redis.call('ZRANGE', TAG .. 'ts:' .. sid, 0, -1))
drop_deliveries(sid)
for _, kind in ipairs({'l:', 'v:', 'h:', 'i:', 'f:', 'c:', 'cx:', 'e:', 'ts:', 'mg:', 'rv:'}) do
  redis.call('DEL', TAG .. kind .. sid)
end
redis.call('SPUBLISH', TAG .. 'ch:' .. sid, 'X')
return {'ok', sid, moved}
