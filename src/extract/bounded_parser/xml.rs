//! Limits on XML, checked before a parser builds anything.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::extract::budget::Budget;
use crate::extract::document::Limits;
use crate::extract::error::ExtractError;

/// Maximum number of namespaces in scope. Each element's prefix is looked up among all of them; feeds declare a dozen.
const MAX_NAMESPACES: usize = 256;

/// Rejects a feed beyond the limits. It uses the parser of the feed library with the same configuration, so both read
/// the same. Both stop at malformed XML.
pub(crate) fn xml(text: &str, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.trim_markup_names_in_closing_tags = true;
    config.trim_text(false);
    let mut counts =
        Counts { limits: budget.limits, elements: 0, entries: 0, attributes: 0, open: Vec::new(), namespaces: 0 };
    let mut read = 0;
    loop {
        let event = reader.read_event();
        let position = reader.buffer_position();
        budget.read(usize::try_from(position - read).unwrap_or(usize::MAX))?;
        read = position;
        match event {
            Ok(Event::Start(element)) => {
                let namespaces = counts.element(&element)?;
                counts.namespaces += namespaces;
                counts.open.push(namespaces);
                if counts.namespaces > MAX_NAMESPACES {
                    return Err(ExtractError::TooComplex { limit: "namespaces in scope", max: MAX_NAMESPACES as u64 });
                }
                if counts.open.len() > budget.limits.max_depth {
                    return Err(ExtractError::TooDeep { limit: budget.limits.max_depth });
                }
            }
            Ok(Event::Empty(element)) => drop(counts.element(&element)?),
            Ok(Event::End(_)) => counts.namespaces -= counts.open.pop().unwrap_or(0),
            Ok(Event::Eof) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}

struct Counts<'a> {
    limits: &'a Limits,
    elements: usize,
    entries: usize,
    attributes: usize,
    /// Number of namespaces declared by each open element, and by all of them.
    open: Vec<usize>,
    namespaces: usize,
}

impl Counts<'_> {
    /// Counts an element. Returns the number of its attributes that declare namespaces.
    fn element(&mut self, element: &BytesStart<'_>) -> Result<usize, ExtractError> {
        let limits = self.limits;
        self.elements += 1;
        if self.elements > limits.max_elements {
            return Err(ExtractError::TooManyElements { limit: limits.max_elements });
        }
        let name = element.local_name();
        if ["item", "entry"].iter().any(|entry| name.as_ref().eq_ignore_ascii_case(entry)) {
            self.entries += 1;
            if self.entries > limits.max_entries {
                return Err(ExtractError::TooManyEntries { limit: limits.max_entries });
            }
        }
        let (mut attributes, mut namespaces) = (0, 0);
        // Without the check for repeated names, which takes quadratic time.
        for attribute in element.attributes().with_checks(false) {
            attributes += 1;
            if attributes > limits.max_attributes {
                return Err(ExtractError::TooManyAttributes { limit: limits.max_attributes });
            }
            namespaces += usize::from(attribute.is_ok_and(|it| it.key.as_ref().starts_with("xmlns")));
        }
        self.attributes += attributes;
        if self.attributes > limits.max_all_attributes {
            return Err(ExtractError::TooComplex { limit: "attributes", max: limits.max_all_attributes as u64 });
        }
        Ok(namespaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<ExtractError> {
        let limits =
            Limits { max_entries: 10, max_elements: 50, max_depth: 20, max_attributes: 5, ..Limits::default() };
        xml(text, &Budget::unattended(&limits)).err()
    }

    #[test]
    fn feeds_are_counted_as_their_parser_reads_them() {
        let entries = Some(ExtractError::TooManyEntries { limit: 10 });
        for entry in ["<item/>", "<ENTRY></ENTRY>", "<rss:item>x</rss:item>"] {
            assert_eq!(refusal(&format!("<rss>{}</rss>", entry.repeat(10))), None, "{entry}");
            assert_eq!(refusal(&format!("<rss>{}</rss>", entry.repeat(11))), entries, "{entry}");
        }
        assert_eq!(refusal(&format!("<rss><!-- {0} --><![CDATA[{0}]]></rss>", "<item/>".repeat(100))), None);
        let elements = Some(ExtractError::TooManyElements { limit: 50 });
        assert_eq!(refusal(&format!("<rss><item>{}</item></rss>", "<a/>".repeat(50))), elements);
        assert_eq!(refusal(&"<a>".repeat(21)), Some(ExtractError::TooDeep { limit: 20 }));
        assert_eq!(
            refusal("<a b='1' c='2' d='3' e='4' f='5' g='6'/>"),
            Some(ExtractError::TooManyAttributes { limit: 5 })
        );
    }
}
