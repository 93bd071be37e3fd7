-- Shared by every script that touches a session. KEYS[1] is the partition's prefix, `prosa:{p<N>}:`; it
-- carries the hash tag, and every other key is made from it, so that all of them are in one slot.
--   s:<session>  HASH    meta: tenant user_id name epoch instance seq floor view_seq created_ms
--                              current (the turn that is ready, runs or is parked, or '') latest (accepted last)
--                              fence nonce batch cancel of the current run, history_bytes,
--                              parked (the approval that the current turn waits for, or '' or absent),
--                              moved (where it was merged into another: that session, for good);
--                              of an erased session only `erased` and whose it was
--   l:<session>  STREAM  the log, one entry an append: id `<last seq>-0`, f = first seq, d = JSON array of events
--   v:<session>  STRING  the fold of the log up to meta.view_seq       h:<session> LIST    history entries
--   i:<session>  LIST    turns that wait behind the current one        f:<session> HASH    feedback by message id
--   c:<session>  HASH    remembered replies by cid                     cx:<session> ZSET   their expiry in ms
--   e:<session>  ZSET    first seq of lately ended turns, by end in ms ts:<session> ZSET   turn ids, by acceptance in us
--   t:<turn>     HASH    a turn: session_id tenant user_id state input (one JSON a merged message, by lines) agent
--                              attempt runs cancel first_seq first_epoch, node fence nonce of its last run, batch;
--                              messages message_ids alike while it may take more messages; record of an ended one;
--                              approval ending of a parked one, parking (the run and batch that parked it last),
--                              approvals (all that it asked for), resumed (1: its next run was made by an answer)
--   j:<turn>     LIST    its journal, until a day after the end
--   k:<turn>     STRING  the messages sent to the model in its last step, for a while
--   a:<approval> HASH    an approval: session_id turn_id call_id name approver step state expires_ms;
--                        until 8 days after it was answered
--   parked       ZSET    parked turns by the time in ms at which their approvals expire
--   n:<nonces>   LIST    the turns that one `take` gave, for 15 s: told again if its reply was lost
--   r:<tenant>   LIST    ready turns    tenants LIST tenants with ready turns, in turn
--   b:<tenant>   SET     turns under a lease    leases ZSET turns by the end of their lease in ms
--   outbox       STREAM  records for SQL
--   mg:<session> HASH    the turns whose history came from a merged session, by that
--   rv:<session> ZSET    promises to sessions that are about to go on in this one, by until when in ms
--   merges       ZSET    merges that are not done, by when they were begun in ms
--   u:<user>     HASH    sessions by the user's names for them; `other:<session>` is another user's
--   um:<user>    SET     merged sessions of the user                  ug:<user> STRING how often they were erased
--   uw:<user>    HASH    where those were merged into, which outlives what the merged session knows itself
--   ux:<user>    SET     sessions that are being erased
--   er:<user>    HASH    tenant user_id, s:<session> (when it was erased) of what is to be swept again
--   erasures     ZSET    users with such sessions, by the first of those times in ms
--   mst          HASH    `<when in ms> <how its models do>` by node; only in partition 0, for a minute
--   ca:<digest>:<generation> STRING  an answer that may be given again
--   cn:<digest>:<generation> HASH    answered questions with their vectors, by the digest of the question
--   cz:<digest>:<generation> ZSET    when those expire in ms     ce:<digest> STRING the vector of a text
--   cg:<tenant>  STRING  how often the tenant's answers were cleared   cu:<user>   ZSET what a user's
--                        questions left, by when it expires in ms: keys of answers and vectors, and `<cn key> <field>`
--   and those of `deliveries.lua`, `budgets.lua` and `flags.lua`
-- Channels: ch:<session>, control, node:<node>, flags.
local TAG = KEYS[1]
local INSTANCE = ARGV[1]
local SESSION_TTL_S = 2592000 -- 30 days after the last turn was accepted, or went on after an approval
local TURN_TTL_S = 86400 -- a day after its end
local PROMPT_TTL_S = 900 -- it is large, and asked for by those who wait for the turn's end
local PROMPTS_KEPT = 2 -- of a session, however soon one turn follows the other
local TURNS_KEPT = 32 -- of a session, with their journals; older ones are in SQL

local script_us -- the time stands still in a script

local function now_us()
  if not script_us then
    local t = redis.call('TIME')
    script_us = t[1] * 1000000 + t[2]
  end
  return script_us
end

local function now_ms()
  return math.floor(now_us() / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- The session's meta as a table, or nil and the reply that says what is wrong with it.
local function open_session(sid, tenant, user_id)
  local flat = redis.call('HGETALL', TAG .. 's:' .. sid)
  local meta = {}
  for i = 1, #flat, 2 do meta[flat[i]] = flat[i + 1] end
  if not meta.tenant then return nil, {'not_found', sid} end
  if tenant and (meta.tenant ~= tenant or meta.user_id ~= user_id) then return nil, {'not_found', sid} end
  if meta.erased then return nil, {'erased', sid} end
  if meta.instance ~= INSTANCE then return nil, {'stale_instance', sid} end
  return meta
end

local function keep_session(sid)
  for _, kind in ipairs({'s:', 'l:', 'v:', 'h:', 'i:', 'f:', 'c:', 'cx:', 'e:', 'ts:', 'mg:'}) do
    redis.call('EXPIRE', TAG .. kind .. sid, SESSION_TTL_S)
  end
end

local function tell(message)
  redis.call('SPUBLISH', TAG .. 'control', message)
end
