//! Images that structured data describes.

use serde_json::Value;

use super::references::{ById, resolve};
use super::text::first_text;

/// Maximum number of images.
const MAX_PICTURES: usize = 20;
/// Maximum length of a caption or a credit, in characters.
const MAX_CHARS: usize = 2_000;

/// An image with its caption and its credit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Address as written: a URL of any form.
    pub(crate) url: String,
    pub(crate) caption: String,
    pub(crate) credit: String,
}

/// Reads the images of an article.
pub(super) fn read(article: &Value, by_id: &ById<'_>) -> Vec<Picture> {
    let images =
        ["image", "associatedMedia"].into_iter().filter_map(|key| article.get(key)).flat_map(|value| match value {
            Value::Array(images) => images.as_slice(),
            one => std::slice::from_ref(one),
        });
    let pictures = images.take(MAX_PICTURES).map(|image| picture(resolve(image, by_id), by_id));
    pictures.filter(|picture| !picture.url.is_empty()).collect()
}

fn picture(image: &Value, by_id: &ById<'_>) -> Picture {
    let text = |keys: &[&str]| -> String {
        let texts = keys.iter().filter_map(|key| image.get(key)).map(|value| first_text(resolve(value, by_id)));
        texts
            .map(|text| text.trim().chars().take(MAX_CHARS).collect())
            .find(|text: &String| !text.is_empty())
            .unwrap_or_default()
    };
    Picture {
        url: image.as_str().map_or_else(|| text(&["url", "contentUrl", "@id"]), str::to_owned),
        caption: text(&["caption", "description"]),
        credit: text(&["creditText", "creator", "author", "copyrightHolder", "copyrightNotice"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_captions_and_credits() {
        let article = serde_json::json!({
            "image": ["https://herald.example/a.jpg", {
                "@type": "ImageObject",
                "contentUrl": "https://herald.example/b.jpg",
                "caption": " Dredger at work",
                "author": { "@type": "Person", "name": "J. Roe" },
            }],
        });
        let found = read(&article, &ById::default());
        let picture = |url: &str, caption: &str, credit: &str| Picture {
            url: url.into(),
            caption: caption.into(),
            credit: credit.into(),
        };
        assert_eq!(
            found,
            [
                picture("https://herald.example/a.jpg", "", ""),
                picture("https://herald.example/b.jpg", "Dredger at work", "J. Roe"),
            ]
        );
    }
}
