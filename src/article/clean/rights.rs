//! Copyright and terms of use.

use super::{NAME_CHARS, clean_optional_address, clean_short};
use crate::article::Violations;
use crate::proto::{Access, Article, DataMining, Rights};

const NOTICE_CHARS: usize = 2_000;
const TERMS_CHARS: usize = 4_000;

pub(super) fn clean(article: &mut Article, violations: &mut Violations) {
    let Some(rights) = &mut article.rights else { return };
    clean_short("rights.notice", &mut rights.notice, NOTICE_CHARS, violations);
    clean_short("rights.holder", &mut rights.holder, NAME_CHARS, violations);
    clean_short("rights.usage_terms", &mut rights.usage_terms, TERMS_CHARS, violations);
    clean_optional_address("rights.license_uri", &mut rights.license_uri, violations);
    if DataMining::try_from(rights.data_mining).is_err() {
        violations.add("rights.data_mining", "must be one of the permissions for data mining");
    }
    if Access::try_from(rights.access).is_err() {
        violations.add("rights.access", "must be one of the kinds of access");
    }
    if *rights == Rights::default() {
        article.rights = None;
    }
}
