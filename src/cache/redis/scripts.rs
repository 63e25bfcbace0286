//! What runs within Redis: each step of the protocol, on one key, at once.
//!
//! An entry is a string: its kind (`v` for an article, `n` for none, `i` for invalidated), the position of the change that it
//! is as new as, in 40 digits, and then
//!
//! - for `v`, the article;
//! - for `i`, the token of whoever may fill it, in 32 characters, and until when nobody else may, in 16 digits.

/// For the token of an invalidated entry that nobody may fill yet.
pub const NOBODY: &str = "--------------------------------";

/// Asks to fill an entry: `token, lease in ms, lifetime in ms`. Answers `l` (it may), `w` (somebody else is at it), or the entry
/// if there is one after all.
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

/// Fills an entry: `token, entry, lifetime in ms`. Answers 1, or 0 if that is refused: there is none, it carries another's
/// token, or it is newer.
pub const FILL: &str = r"
local entry = redis.call('GETRANGE', KEYS[1], 0, 89)
if #entry ~= 89 or string.sub(entry, 1, 1) ~= 'i' then return 0 end
if string.sub(entry, 42, 73) ~= ARGV[1] then return 0 end
if string.sub(ARGV[2], 2, 41) < string.sub(entry, 2, 41) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
";

/// Gives an article another lifetime: `entry, lifetime in ms`. Answers 1, or 0 if that is refused: only an article that is not
/// newer is replaced. What an invalidation or an eviction has taken away stays so; then there is no token that was given
/// before the store was read.
pub const REFRESH: &str = r"
local entry = redis.call('GETRANGE', KEYS[1], 0, 40)
if string.sub(entry, 1, 1) ~= 'v' or string.sub(ARGV[1], 2, 41) < string.sub(entry, 2, 41) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
";

/// Tells an entry of a change: `position, lifetime in ms`. Answers 1, or 0 if there was nothing to do. An absent entry stays
/// absent: into that, nobody can fill anything either.
pub const INVALIDATE: &str = r"
local entry = redis.call('GETRANGE', KEYS[1], 0, 40)
if entry == '' then return 0 end
local kind = string.sub(entry, 1, 1)
if (kind == 'v' or kind == 'n' or kind == 'i') and string.sub(entry, 2, 41) >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'i' .. ARGV[1] .. string.rep('-', 32) .. string.rep('0', 16), 'PX', ARGV[2])
return 1
";

/// Finds the generation, or begins one: `generation, place, lifetime in ms`. Answers `generation:place`, with the place in the feed
/// up to which it has been repaired: a position in 40 digits, `:`, and when the change there was written in 16.
pub const OPEN: &str = r"
local mark = redis.call('GET', KEYS[1])
if mark and #mark == 74 then return mark end
mark = ARGV[1] .. ':' .. ARGV[2]
redis.call('SET', KEYS[1], mark, 'PX', ARGV[3])
return mark
";

/// Records how far a generation has been repaired: `generation, place, lifetime in ms`. Answers 0 if there is another.
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
