//! Adaptive read size: bounds reads in bytes, although the store takes a number of items.

/// Target size of a read, in bytes.
const READ_BYTES: usize = 4 << 20;
/// Number of items of the first read, before the size of items is known.
const FIRST: usize = 64;

/// Sizes of previous reads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    items: usize,
    bytes: usize,
    total: usize,
}

impl Pace {
    /// Creates a pace for items of about this size, in bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self { items: 1, bytes, total: 0 }
    }

    /// Returns the number of items of the next read, at most `max`: as many as fit at the average size of the last
    /// read.
    pub(super) fn limit(&self, max: usize) -> usize {
        let fits = match self.items {
            0 => FIRST,
            items => READ_BYTES / (self.bytes / items).max(1),
        };
        fits.clamp(1, max)
    }

    /// Records the sizes of a read's items, in bytes.
    pub(super) fn read(&mut self, sizes: impl Iterator<Item = usize>) {
        let (items, bytes) = sizes.fold((0, 0), |(items, bytes), size| (items + 1, bytes + size));
        if items > 0 {
            (self.items, self.bytes) = (items, bytes);
        }
        self.total += bytes;
    }

    /// Returns the total size of all reads, in bytes.
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
