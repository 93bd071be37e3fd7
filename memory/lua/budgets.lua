-- Daily budgets, all of a tenant in the partition of its name. The keys:
--   bt:<tenant>  HASH    what a tenant spent: born (when the key was made, in us) and, for each day of the last few,
--                        <day>:spent <day>:held (micro-dollars) <day>:told (the highest warning given, in percent)
--   bu:<user>    HASH    the same of one user; gone with an erasure. Both until a day after the last of their days
--   bc:<call>    HASH    a call: n (its last extension) reply (what that was answered) day ends held, born (of the keys
--                        that it counts in, spaced; empty: it was granted nothing yet), settled; 10 minutes after it was settled or refused, else as above
-- `bt:` and `bu:` keys come from the caller, each with its limit; a call names the same ones each time.
local KEPT_AFTER_DAY_MS = 86400000 -- a call that goes over midnight is settled in its own day
local REPEATED_S = 600 -- for how long a script may be repeated
local WHOLE_SHARE = 0.5 -- of a limit, up to which calls get all that they may come to use

-- Which of the three days at ARGV[from] it is by this clock: label and end of each, the first one the earliest.
local function today(from)
  local now = now_ms()
  for i = from, from + 2, 2 do
    if tonumber(ARGV[i + 1]) > now then return ARGV[i], ARGV[i + 1] end
  end
  return ARGV[from + 4], ARGV[from + 5]
end

local function budget(key, limit, day)
  local name = TAG .. key
  local flat = redis.call('HMGET', name, day .. ':spent', day .. ':held', day .. ':told', 'born')
  return {name = name, limit = tonumber(limit), spent = tonumber(flat[1] or '0'), held = tonumber(flat[2] or '0'),
    told = tonumber(flat[3] or '0'), born = flat[4] or '', fresh = not flat[1]}
end

-- Have the day's fields, and none of days that are long over. `from`: as in `today`.
local function begin_day(it, day, ends, from)
  if not it.fresh then return end
  local known = {[ARGV[from]] = true, [ARGV[from + 2]] = true, [ARGV[from + 4]] = true, [day] = true}
  for _, field in ipairs(redis.call('HKEYS', it.name)) do
    local of = string.match(field, '^(.*):')
    if of and not known[of] then redis.call('HDEL', it.name, field) end
  end
  redis.call('HSETNX', it.name, 'born', whole(now_us()))
  redis.call('HSET', it.name, day .. ':spent', '0', day .. ':held', '0')
  redis.call('PEXPIREAT', it.name, whole(tonumber(ends) + KEPT_AFTER_DAY_MS))
  it.born, it.fresh = redis.call('HGET', it.name, 'born'), false
end

local function call_record(call)
  local flat = redis.call('HMGET', TAG .. 'bc:' .. call, 'n', 'reply', 'day', 'ends', 'held', 'born', 'settled')
  if not flat[1] then return nil end
  local born = {}
  for each in string.gmatch(flat[6], '%S+') do born[#born + 1] = each end
  return {n = tonumber(flat[1]), reply = flat[2], day = flat[3], ends = flat[4], held = tonumber(flat[5]), born = born,
    settled = flat[7], holds = #born > 0}
end

-- The reply is an array without its second member, the call: what is kept for a repetition.
local function kept_reply(call, text)
  local reply = {}
  for word in string.gmatch(text, '%S+') do reply[#reply + 1] = word end
  table.insert(reply, 2, call)
  return reply
end
