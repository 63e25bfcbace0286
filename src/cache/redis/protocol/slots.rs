//! Hash slots of Redis Cluster.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

const COUNT: u16 = 16_384;
const WORDS: usize = COUNT as usize / 64;
/// Number of tags to try until every slot has one: 109,758 suffice.
const TAGS: u32 = 200_000;

/// Returns the slot of keys with this hash tag.
pub(in crate::cache::redis) fn slot(tag: &str) -> u16 {
    crc16(tag.as_bytes()) % COUNT
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = table();
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ *byte)])
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}

/// A set of slots.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cache::redis) struct Slots(Box<[u64; WORDS]>);

impl Slots {
    pub(in crate::cache::redis) fn none() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Parses a node's own slots in CLUSTER NODES: `0-99`, `100`, and migrating slots in brackets. A slot that is
    /// migrating to another node (`[100->-node]`) is left out, although this node still owns it: its keys may be on
    /// either node.
    pub(in crate::cache::redis) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut slots = Self::none();
        let mut leaving = Vec::new();
        for word in words {
            if let Some(open) = word.strip_prefix('[') {
                leaving.extend(open.split_once("->-").map(|(slot, _)| slot.parse::<u16>()));
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let range = first.parse().ok()?..=last.parse().ok().filter(|last| *last < COUNT)?;
            range.for_each(|slot| slots.set(slot, true));
        }
        for slot in leaving {
            slots.set(slot.ok().filter(|slot| *slot < COUNT)?, false);
        }
        Some(slots)
    }

    fn set(&mut self, slot: u16, owned: bool) {
        let (word, bit) = (&mut self.0[usize::from(slot / 64)], 1 << (slot % 64));
        *word = if owned { *word | bit } else { *word & !bit };
    }

    pub(in crate::cache::redis) fn contains(&self, slot: u16) -> bool {
        self.0[usize::from(slot / 64)] & (1 << (slot % 64)) != 0
    }

    /// Returns true if all slots of `other` are in this set.
    pub(in crate::cache::redis) fn includes(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).all(|(mine, theirs)| theirs & !mine == 0)
    }

    pub(in crate::cache::redis) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(mine, theirs)| *mine |= theirs);
    }

    pub(in crate::cache::redis) fn is_complete(&self) -> bool {
        self.0.iter().all(|word| *word == u64::MAX)
    }

    /// Returns the lowest number that is a hash tag of one of these slots. None if the set is empty.
    pub(in crate::cache::redis) fn tag(&self) -> Option<String> {
        if *self == Self::none() {
            return None;
        }
        (0..TAGS).map(|number| number.to_string()).find(|tag| self.contains(slot(tag)))
    }

    /// Returns a hash of the set, equal on every replica.
    pub(in crate::cache::redis) fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_be_bytes()).collect();
        xxh3_64(&bytes)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slots", self.0.iter().map(|word| word.count_ones()).sum::<u32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Option<Slots> {
        Slots::parse(words.split_whitespace())
    }

    /// Results of CLUSTER KEYSLOT; `tests/it/redis_cluster.rs` compares more with a real Cluster.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (tag, expected) in [("foo", 12_182), ("bar", 5_061), ("06S", 0), ("a", 15_495)] {
            assert_eq!(slot(tag), expected, "{tag}");
        }
    }

    #[test]
    fn what_is_leaving_is_left_out() {
        let slots = parse("0-2 7 16383 [1->-abc] [9-<-abc]").unwrap();
        let owned: Vec<u16> = (0..COUNT).filter(|slot| slots.contains(*slot)).collect();
        assert_eq!(owned, [0, 2, 7, 16_383]);
        assert!(parse("0-7 16383").unwrap().includes(&slots) && !slots.includes(&parse("1").unwrap()));
        assert_ne!(slots.digest(), parse("0-2 7 16383").unwrap().digest());
        assert!(parse("0-16383").unwrap().is_complete() && !slots.is_complete());
        for invalid in ["16384", "0-16384", "x", "-", "[x->-abc]", "[16384->-abc]"] {
            assert!(parse(invalid).is_none(), "{invalid}");
        }
    }

    #[test]
    fn every_slot_has_a_tag() {
        let mut slots = Slots::none();
        for tag in (0..TAGS).map(|number| number.to_string()) {
            slots.set(slot(&tag), true);
        }
        assert!(slots.is_complete());
        let one = parse("100").unwrap();
        assert_eq!(one.tag().map(|tag| slot(&tag)), Some(100));
        assert_eq!(Slots::none().tag(), None);
    }
}
