//! The fields of an article that a read returns: a view, or a field mask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_types::FieldMask;

use super::encoded::Kept;
use super::mask::{FIELDS, MAX_PATHS, alone, resolve, unknown};
use super::render::render;
use super::{EncodedArticle, Violations};
use crate::proto::{Article, ArticleView, BodyFormat};

/// Names of the fields that the view BASIC leaves out: those that grow with the text.
const NOT_BASIC: [&str; 3] = ["body", "blocks", "media"];

static NOT_BASIC_NUMBERS: LazyLock<BTreeSet<u32>> =
    LazyLock::new(|| NOT_BASIC.iter().filter_map(|name| FIELDS.get(*name)).map(|(number, _)| *number).collect());

static BODY_NUMBER: LazyLock<u32> = LazyLock::new(|| FIELDS.get("body").map_or(0, |(number, _)| *number));
static STORY_NUMBER: LazyLock<u32> = LazyLock::new(|| FIELDS.get("story").map_or(0, |(number, _)| *number));

/// The fields to read, and the format of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadMask {
    selection: Selection,
    body_format: BodyFormat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Selection {
    /// All fields of the stored article, and so not its story.
    Full,
    /// All fields except [`NOT_BASIC`].
    Basic,
    /// Inner field numbers to read, or all, by field number.
    Fields(BTreeMap<u32, Option<BTreeSet<u32>>>),
}

impl ReadMask {
    /// Validates the mask, the view and the format of the body of a request. A mask selects the fields alone; `default`
    /// is the view of requests with neither.
    pub fn parse(
        mask: Option<&FieldMask>,
        view: i32,
        body_format: i32,
        default: ArticleView,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mask = mask.filter(|mask| !mask.paths.is_empty());
        let view = match ArticleView::try_from(view) {
            Ok(ArticleView::Unspecified) => default,
            Ok(view) => {
                if mask.is_some() {
                    violations.add("view", "must not be set together with read_mask, which selects the fields alone");
                }
                view
            }
            Err(_) => {
                violations.add("view", "must be ARTICLE_VIEW_BASIC or ARTICLE_VIEW_FULL, or unset");
                default
            }
        };
        let selection = match (mask, view) {
            (Some(mask), _) => of_paths(&mask.paths, &mut violations),
            (None, ArticleView::Basic) => Selection::Basic,
            (None, ArticleView::Full | ArticleView::Unspecified) => Selection::Full,
        };
        let body_format = BodyFormat::try_from(body_format).unwrap_or_else(|_unknown| {
            violations.add("body_format", "must be one of the formats of a body, or unset");
            BodyFormat::Plain
        });
        violations.or(Self { selection, body_format })
    }

    /// Returns the article with the selected fields only, and its body in the format.
    pub fn apply(&self, article: &EncodedArticle) -> EncodedArticle {
        let selected = self.select(article);
        if matches!(self.body_format, BodyFormat::Unspecified | BodyFormat::Plain) || !self.has_body() {
            return selected;
        }
        // Copydesk encoded it, so it decodes. Rendering needs the blocks and media, which the mask may leave out.
        let Ok(whole) = Article::decode(article.as_bytes().clone()) else { return selected };
        let rendered = Bytes::from(render(&whole, self.body_format));
        let body = selected.filter(|number, _| match number == *BODY_NUMBER {
            true => Kept::Instead(rendered.clone()),
            false => Kept::All,
        });
        let format = Article { body_format: self.body_format.into(), ..Article::default() };
        EncodedArticle::new([&body.as_bytes()[..], &format.encode_to_vec()].concat().into())
    }

    /// Returns true if the mask names the story of an article, which has to be looked up.
    pub fn has_story(&self) -> bool {
        matches!(&self.selection, Selection::Fields(wanted) if wanted.contains_key(&*STORY_NUMBER))
    }

    /// Returns true if the selection has the body.
    fn has_body(&self) -> bool {
        match &self.selection {
            Selection::Full => true,
            Selection::Basic => false,
            Selection::Fields(wanted) => wanted.contains_key(&*BODY_NUMBER),
        }
    }

    fn select(&self, article: &EncodedArticle) -> EncodedArticle {
        let wanted = match &self.selection {
            Selection::Full => return article.clone(),
            Selection::Basic => {
                let left_out = &*NOT_BASIC_NUMBERS;
                return article.filter(|number, _| if left_out.contains(&number) { Kept::Nothing } else { Kept::All });
            }
            Selection::Fields(wanted) => wanted,
        };
        article.filter(|number, content| match wanted.get(&number) {
            None => Kept::Nothing,
            Some(None) => Kept::All,
            Some(Some(inner)) => {
                let message = EncodedArticle::new(bytes::Bytes::copy_from_slice(content));
                let kept = message.filter(|number, _| if inner.contains(&number) { Kept::All } else { Kept::Nothing });
                Kept::Instead(kept.as_bytes().clone())
            }
        })
    }
}

fn of_paths(paths: &[String], violations: &mut Violations) -> Selection {
    if paths.iter().any(|path| path == "*") {
        violations.0.extend(alone("read_mask.paths", paths).err().into_iter().flat_map(|alone| alone.0));
        return Selection::Full;
    }
    if paths.len() > MAX_PATHS {
        violations.add("read_mask.paths", format!("must be at most {MAX_PATHS}"));
        return Selection::Full;
    }
    let mut wanted: BTreeMap<u32, Option<BTreeSet<u32>>> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        let Some((number, inner)) = resolve(path) else {
            violations.add(format!("read_mask.paths[{at}]"), unknown(path));
            continue;
        };
        match inner {
            None => drop(wanted.insert(number, None)),
            Some(inner) => {
                if let Some(numbers) = wanted.entry(number).or_insert_with(|| Some(BTreeSet::new())) {
                    numbers.insert(inner);
                }
            }
        }
    }
    Selection::Fields(wanted)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::{Article, Block, Dateline, Media};

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
    }

    fn article() -> Article {
        Article {
            headline: "H".into(),
            body: "B".into(),
            revision: 3,
            dateline: Some(Dateline { place: "LONDON".into(), text: "LONDON, 5 June".into() }),
            blocks: vec![Block::default()],
            media: vec![Media::default()],
            ..Article::default()
        }
    }

    fn shown(parsed: Result<ReadMask, Violations>) -> Article {
        let encoded = EncodedArticle::new(article().encode_to_vec().into());
        Article::decode(parsed.expect("valid").apply(&encoded).as_bytes().clone()).expect("decodes")
    }

    #[test]
    fn a_mask_keeps_what_it_names() {
        let paths = mask(&["headline", "revision", "dateline.place"]);
        for default in [ArticleView::Basic, ArticleView::Full] {
            let expected = Article {
                headline: "H".into(),
                revision: 3,
                dateline: Some(Dateline { place: "LONDON".into(), text: String::new() }),
                ..Article::default()
            };
            assert_eq!(shown(ReadMask::parse(Some(&paths), 0, 0, default)), expected);
            assert_eq!(shown(ReadMask::parse(Some(&mask(&["*"])), 0, 0, default)), article());
        }
    }

    #[test]
    fn the_basic_view_leaves_out_what_grows_with_the_text() {
        assert_eq!(NOT_BASIC_NUMBERS.len(), NOT_BASIC.len(), "each is a field of an article");
        let basic = Article { body: String::new(), blocks: vec![], media: vec![], ..article() };
        use ArticleView::{Basic, Full, Unspecified};
        for (view, default, expected) in [
            (Basic, Full, &basic),
            (Unspecified, Basic, &basic),
            (Full, Basic, &article()),
            (Unspecified, Full, &article()),
        ] {
            assert_eq!(&shown(ReadMask::parse(None, view.into(), 0, default)), expected, "{view:?}, {default:?}");
        }
    }

    #[test]
    fn violations_name_paths_and_view() {
        let fields = |paths: &[&str], view: i32| -> Vec<String> {
            let parsed = ReadMask::parse(Some(&mask(paths)), view, 0, ArticleView::Basic);
            parsed.err().into_iter().flat_map(|violations| violations.0).map(|violation| violation.field).collect()
        };
        assert_eq!(fields(&["body", "boddy", "tags.x"], 0), ["read_mask.paths[1]", "read_mask.paths[2]"]);
        assert_eq!(fields(&["body"], 1), ["view"]);
        assert_eq!(fields(&[], 9), ["view"]);
        assert_eq!(fields(&["*", "body"], 2), ["view", "read_mask.paths"]);
        assert!(fields(&[], 1).is_empty() && fields(&["*"], 0).is_empty());
    }

    #[test]
    fn a_story_is_looked_up_only_if_the_mask_names_it() {
        let has_story =
            |paths: &[&str], view| ReadMask::parse(Some(&mask(paths)), view, 0, ArticleView::Full).unwrap().has_story();
        assert!(has_story(&["headline", "story"], 0));
        for (paths, view) in [(&["headline"][..], 0), (&["*"], 0), (&[], 1), (&[], 2), (&[], 0)] {
            assert!(!has_story(paths, view), "{paths:?} {view}");
        }
    }
}
