-- Keep what an ended turn leaves for the model's context: at most so many entries and bytes, the last one always.
local function add_history(sid, meta, entry, entries_kept, bytes_kept)
  local history = TAG .. 'h:' .. sid
  local count = redis.call('RPUSH', history, entry)
  local size = tonumber(meta.history_bytes or '0') + #entry
  while count > 1 and (count > entries_kept or size > bytes_kept) do
    size = size - #redis.call('LPOP', history)
    count = count - 1
  end
  redis.call('EXPIRE', history, SESSION_TTL_S)
  redis.call('HSET', TAG .. 's:' .. sid, 'history_bytes', whole(size))
end
