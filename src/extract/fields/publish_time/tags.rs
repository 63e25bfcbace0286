//! Names of meta tags that state times. They are compared without marks: `article:published_time`,
//! `article.published-time` and `articlePublishedTime` are one name.

use super::super::page::Page;

/// Names for the time of publication.
const PUBLISHED: [&str; 50] = [
    "articlepublishedtime",
    "articlepublished",
    "articlepublisheddate",
    "articlepublicationdate",
    "articlepubdate",
    "articledateoriginal",
    "ogarticlepublishedtime",
    "ogpublishedtime",
    "ogpubdate",
    "publishedtime",
    "publisheddate",
    "publishedat",
    "publishedon",
    "published",
    "publishdate",
    "publishtime",
    "publishingdate",
    "publicationdate",
    "publicationtime",
    "pubdate",
    "pubtime",
    "pdate",
    "datepublished",
    "datetimepublished",
    "firstpublished",
    "firstpublishedat",
    "originalpublicationdate",
    "originalpublishdate",
    "releasedate",
    "displaydate",
    "postdate",
    "postedon",
    "issuedate",
    "dateissued",
    "parselypubdate",
    "sailthrudate",
    "btpubdate",
    "rnewsdatepublished",
    "cxenseparserecspublishtime",
    "weiboarticlecreateat",
    "citationpublicationdate",
    "citationonlinedate",
    "citationdate",
    "dcdateissued",
    "dcdatepublished",
    "dcissued",
    "dctermsissued",
    "dctermsdateissued",
    "prismpublicationdate",
    "eprintsdate",
];

/// Names that mostly stand for the time of publication: of creation, or of a date without any statement.
const CREATED: [&str; 16] = [
    "date",
    "dcdate",
    "dctermsdate",
    "dcdatecreated",
    "dccreated",
    "dctermscreated",
    "dctermsavailable",
    "datecreated",
    "datetimecreated",
    "created",
    "createdat",
    "createdate",
    "creationdate",
    "articlecreated",
    "articledate",
    "timestamp",
];

/// Names for the time of the last update.
const UPDATED: [&str; 27] = [
    "articlemodifiedtime",
    "articlemodified",
    "articleupdatedtime",
    "articleupdated",
    "articledateupdated",
    "ogarticlemodifiedtime",
    "ogmodifiedtime",
    "ogupdatedtime",
    "modifiedtime",
    "modifieddate",
    "modified",
    "datemodified",
    "datetimemodified",
    "dateupdated",
    "updatedtime",
    "updatedat",
    "updateddate",
    "updated",
    "lastmodified",
    "lastmodifieddate",
    "lastmod",
    "lastupdate",
    "lastupdated",
    "dcdatemodified",
    "dcmodified",
    "dctermsmodified",
    "rnewsdatemodified",
];

/// Meaning of a time in a meta tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Published,
    Created,
    Updated,
}

/// Returns the times that the page's meta tags state, in the order of the names above.
pub(super) fn times(page: &Page) -> impl Iterator<Item = (Meaning, &str)> {
    let mut found: Vec<(usize, Meaning, &str)> = page
        .tags
        .iter()
        .filter_map(|(name, content)| {
            let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
            let place = |names: &[&str]| names.iter().position(|known| *known == plain);
            let place = place(&PUBLISHED)
                .map(|place| (place, Meaning::Published))
                .or_else(|| place(&CREATED).map(|place| (place, Meaning::Created)))
                .or_else(|| place(&UPDATED).map(|place| (place, Meaning::Updated)));
            place.map(|(place, meaning)| (place, meaning, content.as_str()))
        })
        .collect();
    found.sort_by_key(|(place, ..)| *place);
    found.into_iter().map(|(_, meaning, content)| (meaning, content))
}
