//! Suggestions over the wire: values that begin with what a user has typed, of what the caller may see.

use copydesk::proto::*;
use tonic::Code;

use crate::bad_input::fields;
use crate::search::{Desk, article};
use crate::test_server::TestServer;

fn articles() -> Vec<Article> {
    let tagged = |name: &str, headline: &str, tags: &[&str]| Article {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..article(name, headline, "The crossing was calm.")
    };
    vec![
        Article {
            authors: vec![Author::named("Анна Ли"), Author::named("Jane Roe")],
            section: "Harbour news".into(),
            agency: "Reuters".into(),
            subjects: vec![Subject { name: "sea transport".into(), ..Subject::default() }],
            ..tagged("one", "Éclair at the harbour", &["Harbour", "harbour master"])
        },
        Article {
            authors: vec![Author::named("Janet Roe-Smith")],
            ..tagged("two", "Harbours closed", &["harbour", "port"])
        },
        Article { language_code: "de".into(), ..tagged("three", "Harbour dues rise", &["harbour", "Harbor Post"]) },
        Article { url: "https://coast.example/four".into(), ..tagged("four", "Calm at sea", &["ports", "harvest"]) },
    ]
}

async fn suggest(desk: &Desk, request: SuggestValuesRequest) -> Vec<String> {
    let request = SuggestValuesRequest { consistency: desk.fresh(), ..request };
    let answer = desk.reads.clone().suggest_values(request).await.unwrap().into_inner();
    assert!(!answer.index_token.is_empty());
    answer.suggestions.into_iter().map(|it| format!("{}={}", it.value, it.article_count)).collect()
}

fn typed(field: ValueField, prefix: &str) -> SuggestValuesRequest {
    SuggestValuesRequest { field: field.into(), prefix: prefix.into(), ..Default::default() }
}

#[tokio::test]
async fn values_begin_with_what_is_typed() {
    use ValueField::{Agency, Author, HeadlineWord, Host, Language, Section, Source, Subject, Tag};
    let desk = Desk::with(articles()).await;
    for (field, prefix, expected) in [
        // The most frequent first, in the most frequent spelling.
        (Tag, "har", &["harbour=3", "Harbor Post=1", "harbour master=1", "harvest=1"][..]),
        (Tag, "HARBOUR", &["harbour=3", "harbour master=1", "Harbor Post=1"]),
        // A word within a value, and not a part of a word.
        (Tag, "mas", &["harbour master=1"]),
        (Tag, "arb", &[]),
        (Tag, "port", &["port=1", "ports=1", "Harbor Post=1"]),
        // From 4 characters on one may be wrong, from 8 on two.
        (Tag, "hrbour", &["harbour=3", "harbour master=1"]),
        (Tag, "hsr", &[]),
        (Tag, "harbuor m", &["Harbor Post=1", "harbour master=1"]),
        (Tag, "harvset", &[]),
        (Author, "jan", &["Jane Roe=1", "Janet Roe-Smith=1"]),
        (Author, "ли", &["Анна Ли=1"]),
        (Author, "smi", &["Janet Roe-Smith=1"]),
        (Section, "harb", &["Harbour news=1"]),
        (Agency, "reu", &["Reuters=1"]),
        (Subject, "tra", &["sea transport=1"]),
        (Source, "h", &["herald.example=3"]),
        (Source, "e", &["herald.example=3", "coast.example=1"]),
        (Host, "coa", &["coast.example=1"]),
        (Language, "d", &["de=1"]),
        (HeadlineWord, "harb", &["harbour=2", "harbours=1"]),
        (HeadlineWord, "éc", &["eclair=1"]),
        (HeadlineWord, "ECL", &["eclair=1"]),
        (HeadlineWord, "x", &[]),
    ] {
        assert_eq!(suggest(&desk, typed(field, prefix)).await, expected, "{field:?} {prefix}");
    }
}

#[tokio::test]
async fn filters_and_limits_hold() {
    let desk = Desk::with(articles()).await;
    let harbour = || typed(ValueField::Tag, "har");
    let limited = SuggestValuesRequest { limit: 2, ..harbour() };
    assert_eq!(suggest(&desk, limited).await, ["harbour=3", "Harbor Post=1"]);
    let filter = |filter| SuggestValuesRequest { filter: Some(filter), ..harbour() };
    let text = |text: &str| ArticleFilter { text: text.into(), ..Default::default() };
    assert_eq!(suggest(&desk, filter(text("closed OR dues"))).await, ["harbour=2", "Harbor Post=1"]);
    let german = ArticleFilter { languages: Some(StringCondition::any_of(["de"])), ..Default::default() };
    assert_eq!(suggest(&desk, filter(german)).await, ["Harbor Post=1", "harbour=1"]);
    assert_eq!(suggest(&desk, filter(text("nowhere"))).await, Vec::<String>::new());
    let words = SuggestValuesRequest { filter: Some(text("dues")), ..typed(ValueField::HeadlineWord, "har") };
    assert_eq!(suggest(&desk, words).await, ["harbour=1"]);
}

/// Whatever hides an article, none of its values is suggested or counted.
#[tokio::test]
async fn values_of_hidden_articles_are_not_suggested() {
    let far = "2999-01-01T00:00:00Z".parse().ok();
    let past = "2001-01-01T00:00:00Z".parse().ok();
    let mut desk = Desk::with(articles()).await;
    let fields = (1..=11).filter_map(|field| ValueField::try_from(field).ok());
    let fields: Vec<ValueField> =
        fields.filter(|field| !matches!(field, ValueField::State | ValueField::Text)).collect();
    let all = async |desk: &Desk| {
        let mut all = Vec::new();
        for field in &fields {
            for prefix in ["s", "h", "secret", "harb", "zz"] {
                all.push(suggest(desk, SuggestValuesRequest { limit: 100, ..typed(*field, prefix) }).await);
            }
        }
        all
    };
    let before = all(&desk).await;
    let hidden = |number: i32, embargo_time, expire_time| Article {
        url: format!("https://secret.example/{number}"),
        headline: "Secret harbour zzword".into(),
        body: format!("What {number} says."),
        tags: vec!["secret".into(), "harbour".into()],
        section: "secret section".into(),
        agency: "Secret Agency".into(),
        authors: vec![Author::named("Secret Author")],
        subjects: vec![Subject { name: "secret subject".into(), ..Subject::default() }],
        language_code: "zza".into(),
        embargo_time,
        expire_time,
        ..Article::default()
    };
    desk.add(hidden(1, far, None)).await;
    desk.add(hidden(2, None, past)).await;
    let shown = desk.add(hidden(3, None, None)).await;
    assert_eq!(suggest(&desk, typed(ValueField::Tag, "secr")).await, ["secret=1"]);
    assert_ne!(all(&desk).await, before);
    desk.withdraw(&shown.name).await;
    assert_eq!(all(&desk).await, before);
}

#[tokio::test]
async fn rejects_invalid_requests() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let tag = |prefix: &str| typed(ValueField::Tag, prefix);
    let text = Some(ArticleFilter { text: "a OR".into(), ..Default::default() });
    for (request, field) in [
        (typed(ValueField::Unspecified, "a"), "field"),
        (typed(ValueField::State, "a"), "field"),
        (typed(ValueField::Text, "a"), "field"),
        (SuggestValuesRequest { field: 99, ..tag("a") }, "field"),
        (tag(""), "prefix"),
        (tag(" \n"), "prefix"),
        (tag(&"é".repeat(101)), "prefix"),
        (SuggestValuesRequest { limit: -1, ..tag("a") }, "limit"),
        (SuggestValuesRequest { limit: 101, ..tag("a") }, "limit"),
        (SuggestValuesRequest { filter: text, ..tag("a") }, "filter.text"),
    ] {
        let refused = reads.suggest_values(request.clone()).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]), "{request:?}");
    }
    let longest = tag(&"é".repeat(100));
    let desk = Desk::with(articles()).await;
    assert_eq!(suggest(&desk, longest).await, Vec::<String>::new());
}
