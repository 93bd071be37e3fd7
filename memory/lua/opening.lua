-- Open a session, or make it where there is none. Gives {'ok', session, epoch, seq}, or what is wrong with it.
local function open_or_make(sid, tenant, user_id, name, new_epoch)
  local meta, wrong = open_session(sid, tenant, user_id)
  if wrong and wrong[1] == 'not_found' and redis.call('EXISTS', TAG .. 's:' .. sid) == 0 then
    redis.call('HSET', TAG .. 's:' .. sid, 'tenant', tenant, 'user_id', user_id, 'name', name, 'epoch', new_epoch,
      'instance', INSTANCE, 'seq', '0', 'floor', '0', 'view_seq', '0', 'created_ms', whole(now_ms()),
      'current', '', 'latest', '', 'fence', '0', 'nonce', '', 'batch', '0', 'cancel', '')
    for _, kind in ipairs({'l:', 'v:', 'h:', 'i:', 'f:', 'e:'}) do redis.call('DEL', TAG .. kind .. sid) end
    keep_session(sid)
    return {'ok', sid, new_epoch, '0'}
  end
  if wrong then return wrong end
  keep_session(sid)
  return {'ok', sid, meta.epoch, meta.seq}
end
