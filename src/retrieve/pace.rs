//! How much is read at a time: bounded in bytes, though the store is asked for a number.

/// What one read should bring, in bytes.
const READ_BYTES: usize = 4 << 20;
/// What is asked for first, when nothing is known of how large articles are.
const FIRST: usize = 64;

/// What reads have brought so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    items: usize,
    bytes: usize,
    total: usize,
}

impl Pace {
    /// The pace of items that are about as large as one that is known.
    pub(super) fn of(bytes: usize) -> Self {
        Self { items: 1, bytes, total: 0 }
    }

    /// How many to ask for next, at most `most`: as many of the size of the last ones as fit.
    pub(super) fn limit(&self, most: usize) -> usize {
        let fits = match self.items {
            0 => FIRST,
            items => READ_BYTES / (self.bytes / items).max(1),
        };
        fits.clamp(1, most)
    }

    /// Notes what a read has brought: the size of each item, in bytes.
    pub(super) fn read(&mut self, sizes: impl Iterator<Item = usize>) {
        let (items, bytes) = sizes.fold((0, 0), |(items, bytes), size| (items + 1, bytes + size));
        if items > 0 {
            (self.items, self.bytes) = (items, bytes);
        }
        self.total += bytes;
    }

    /// How many bytes all reads have brought.
    pub(super) fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_large_articles_are_of_few() {
        let mut pace = Pace::default();
        assert_eq!(pace.limit(100), FIRST);
        pace.read([1 << 20; 64].into_iter());
        assert_eq!(pace.limit(100), 4);
        pace.read([3_000; 4].into_iter());
        assert_eq!((pace.limit(100), pace.total()), (100, (64 << 20) + 12_000));
        pace.read([64 << 20].into_iter());
        pace.read(std::iter::empty());
        assert_eq!(pace.limit(100), 1);
    }
}
