//! Lua scripts of the cache protocol. Each runs atomically on one key.
//!
//! An entry is a string: its kind (`v` for an article, `n` for a negative entry, `i` for an invalidated one), the
//! position of the change that it reflects in 40 digits, and then
//!
//! - for `v`, the article;
//! - for `i`, the token of the fill lease in 32 characters, and the expiry of the lease in 16 digits.

/// Token of an invalidated entry without a fill lease.
pub const NOBODY: &str = "--------------------------------";

/// Claims the fill lease of an entry: `token, lease in ms, lifetime in ms`. Returns `l` (granted), `w` (another reader
/// has it), or the entry if there is one.
pub const GETLEASE: &str = r"
local entry = redis.call('GET', KEYS[1])
local version = string.rep('0', 40)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if entry then
  local kind = string.sub(entry, 1, 1)
  if kind == 'v' or kind == 'n' then return entry end
  if kind == 'i' and #entry == 89 then
    version = string.sub(entry, 2, 41)
    local token = string.sub(entry, 42, 73)
    local deadline = tonumber(string.sub(entry, 74)) or 0
    if token ~= ARGV[1] and token ~= string.rep('-', 32) and now < deadline then return 'w' end
  end
end
local deadline = string.format('%016d', now + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], 'i' .. version .. ARGV[1] .. deadline, 'PX', ARGV[3])
return 'l'
";

/// Fills an entry: `token, entry, lifetime in ms`. Returns 1, or 0 if rejected: the key is absent, has another token,
/// or is newer.
pub const FILL: &str = r"
local entry = redis.call('GETRANGE', KEYS[1], 0, 89)
if #entry ~= 89 or string.sub(entry, 1, 1) ~= 'i' then return 0 end
if string.sub(entry, 42, 73) ~= ARGV[1] then return 0 end
if string.sub(ARGV[2], 2, 41) < string.sub(entry, 2, 41) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
";

/// Refreshes an article: `entry, lifetime in ms`. Returns 1, or 0 if rejected: only an article that is not newer is
/// replaced. Invalidated and evicted entries stay so: for them, no token was granted before the store was read.
pub const REFRESH: &str = r"
local entry = redis.call('GETRANGE', KEYS[1], 0, 40)
if string.sub(entry, 1, 1) ~= 'v' or string.sub(ARGV[1], 2, 41) < string.sub(entry, 2, 41) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
";

/// Invalidates an entry: `position, lifetime in ms`. Returns 1, or 0 if there was nothing to do. An absent entry stays
/// absent, since it cannot be filled either.
pub const INVALIDATE: &str = r"
local entry = redis.call('GETRANGE', KEYS[1], 0, 40)
if entry == '' then return 0 end
local kind = string.sub(entry, 1, 1)
if (kind == 'v' or kind == 'n' or kind == 'i') and string.sub(entry, 2, 41) >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'i' .. ARGV[1] .. string.rep('-', 32) .. string.rep('0', 16), 'PX', ARGV[2])
return 1
";

/// Returns the current generation, or begins one: `generation, place, lifetime in ms`. The result is
/// `generation:place`, with the feed position up to which it has been invalidated: 40 digits, `:`, and the time of the
/// change there in 16 digits.
pub const OPEN: &str = r"
local mark = redis.call('GET', KEYS[1])
if mark and #mark == 74 then return mark end
mark = ARGV[1] .. ':' .. ARGV[2]
redis.call('SET', KEYS[1], mark, 'PX', ARGV[3])
return mark
";

/// Records the position up to which a generation has been invalidated: `generation, place, lifetime in ms`. Returns 0
/// if there is another generation.
pub const MARK: &str = r"
local mark = redis.call('GET', KEYS[1])
if not mark or string.sub(mark, 1, 16) ~= ARGV[1] then return 0 end
if string.sub(mark, 18) < ARGV[2] then mark = ARGV[1] .. ':' .. ARGV[2] end
redis.call('SET', KEYS[1], mark, 'PX', ARGV[3])
return 1
";

/// Ends a generation: `generation`.
pub const CLOSE: &str = r"
local mark = redis.call('GET', KEYS[1])
if mark and string.sub(mark, 1, 16) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
";
