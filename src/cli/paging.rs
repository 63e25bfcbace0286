//! Pages of a list, up to the limit of the command line.

/// Rest of a list, page by page.
pub(super) struct Paging {
    remaining: usize,
    /// Maximum number of entries per request.
    max: usize,
    /// Token of the next page; none after the last one.
    token: Option<String>,
}

impl Paging {
    pub(super) fn new(limit: usize, max: usize) -> Self {
        Self { remaining: limit, max, token: Some(String::new()) }
    }

    /// Sets the fields of the request for the next page. Returns false if there is nothing more to read.
    pub(super) fn next(&mut self, page_size: &mut i32, page_token: &mut String) -> bool {
        let Some(token) = self.token.take().filter(|_| self.remaining > 0) else { return false };
        *page_size = self.remaining.min(self.max) as i32;
        *page_token = token;
        true
    }

    /// Notes a page: the number of its entries, and its `next_page_token`.
    pub(super) fn read(&mut self, entries: usize, next: String) {
        self.remaining -= entries.min(self.remaining);
        self.token = Some(next).filter(|token| !token.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_to_the_limit_or_the_end() {
        let sizes = |limit: usize, pages: &[usize]| {
            let (mut paging, mut sizes) = (Paging::new(limit, 50), Vec::new());
            let (mut size, mut token) = (0, String::new());
            let mut pages = pages.iter();
            while paging.next(&mut size, &mut token) {
                sizes.push((size, token.clone()));
                let entries = pages.next().copied().unwrap_or_default();
                paging.read(entries, pages.clone().next().map_or_else(String::new, |next| format!("{next} next")));
            }
            sizes
        };
        let first = (50, String::new());
        assert_eq!(sizes(60, &[50, 50]), [first.clone(), (10, "50 next".to_owned())]);
        assert_eq!(sizes(60, &[0, 20]), [first.clone(), (50, "20 next".to_owned())], "an empty page is not the last");
        assert_eq!(sizes(60, &[50]), [first]);
        assert!(sizes(0, &[1]).is_empty());
    }
}
