//! Related articles over the wire: by subject, without copies, in pages, and only of what the caller may see.

use copydesk::proto::*;
use tonic::Code;

use crate::bad_input::fields;
use crate::search::{Desk, article};
use crate::test_server::TestServer;

/// Reports of one subject, each by another author.
const DREDGING: [(&str, &str, &str); 4] = [
    (
        "board",
        "Board agrees to dredge the Ellery channel",
        "The harbour board of Port Ellery agreed to dredge its northern channel before the winter, after two \
         ferries ran aground within a week. The works will cost 14 million crowns, said the chairwoman, Ida Quill.",
    ),
    (
        "fishermen",
        "Fishermen ask Port Ellery to spare oyster beds",
        "Dredging of the channel at Port Ellery must stay clear of the oyster beds at Tarn Head, the fishermen's \
         association told Ida Quill. A first attempt was stopped by a court in the spring.",
    ),
    (
        "cost",
        "County pays half of channel works",
        "Half of the 14 million crowns that the dredging of the northern channel costs will come from the county, \
         Quill told reporters at Port Ellery. The other half is paid by the ferry company.",
    ),
    (
        "ferries",
        "Two ferries aground at Port Ellery",
        "A ferry with 80 passengers ran aground in the northern channel of Port Ellery, the second within a week. \
         Nobody was hurt. Skippers have asked for dredging since last year.",
    ),
];
const OTHERS: [(&str, &str, &str); 3] = [
    (
        "lighthouse",
        "Lighthouse to stay lit until the spring",
        "The old lighthouse of Lowmouth will stay lit, although a new one on the pier has been in use since August. \
         Its keeper, Carl Moor, is to retire in the summer.",
    ),
    (
        "bakery",
        "A bakery that opens at midnight",
        "Nurses and drivers of the night shift queue for rolls in Mill Street, where Anna Brandt opens her bakery at \
         midnight, and closes it when the last loaf is sold.",
    ),
    (
        "chess",
        "Girl of nine wins the chess cup",
        "In the final she gave up a bishop on the ninth move and won on the thirtieth. Her opponent, a teacher, had \
         held the cup for six years.",
    ),
];

fn all() -> impl Iterator<Item = Article> {
    DREDGING.iter().chain(&OTHERS).map(|(name, headline, body)| article(name, headline, body))
}

async fn related(desk: &Desk, request: ListRelatedArticlesRequest) -> ListRelatedArticlesResponse {
    let request = ListRelatedArticlesRequest { consistency: desk.fresh(), ..request };
    desk.reads.clone().list_related_articles(request).await.unwrap().into_inner()
}

fn of(name: &str) -> ListRelatedArticlesRequest {
    ListRelatedArticlesRequest { name: name.to_owned(), ..Default::default() }
}

/// Returns the last parts of the URLs of articles, sorted.
fn sorted(response: &ListRelatedArticlesResponse) -> Vec<String> {
    let urls = response.related_articles.iter().map(|related| related.article.as_ref().unwrap().url.as_str());
    let mut names: Vec<String> = urls.map(|url| url.rsplit('/').next().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

/// Returns the name of the article with a URL.
async fn name_of(desk: &Desk, name: &str) -> String {
    let key = Some(lookup_article_request::Key::Url(format!("https://herald.example/news/{name}")));
    let request = LookupArticleRequest { key, consistency: desk.fresh(), ..Default::default() };
    desk.reads.clone().lookup_article(request).await.unwrap().into_inner().article.unwrap().name
}

#[tokio::test]
async fn articles_on_one_subject_are_related() {
    let mut desk = Desk::with(all()).await;
    let board = name_of(&desk, "board").await;
    let found = related(&desk, of(&board)).await;
    assert_eq!(sorted(&found), ["cost", "ferries", "fishermen"]);
    assert!(found.related_articles.is_sorted_by(|one, other| one.score >= other.score));
    assert!(found.next_page_token.is_empty() && !found.index_token.is_empty());
    assert!(found.related_articles[0].article.as_ref().unwrap().body.is_empty(), "the view is BASIC");
    let bakery = name_of(&desk, "bakery").await;
    assert_eq!(sorted(&related(&desk, of(&bakery)).await), Vec::<String>::new());

    // A filter, and what is hidden meanwhile.
    let texts = |text: &str| Some(ArticleFilter { text: text.into(), ..Default::default() });
    let filtered = ListRelatedArticlesRequest { filter: texts("oyster"), ..of(&board) };
    assert_eq!(sorted(&related(&desk, filtered).await), ["fishermen"]);
    desk.withdraw(&name_of(&desk, "fishermen").await).await;
    assert_eq!(sorted(&related(&desk, of(&board)).await), ["cost", "ferries"]);
}

#[tokio::test]
async fn no_copy_is_related() {
    let mut desk = Desk::with(all()).await;
    let (_, _, body) = DREDGING[0];
    let (_, _, cost) = DREDGING[2];
    // Of the article itself, under another headline and with a foot line; and of another result.
    desk.add(article("copy", "Ellery channel to be deepened", &format!("{body} Written by Northwire."))).await;
    desk.add(article("exact", DREDGING[0].1, body)).await;
    desk.add(article("cost-copy", "Channel works: county pays", cost)).await;
    let found = sorted(&related(&desk, of(&name_of(&desk, "board").await)).await);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.contains(&"cost".to_owned()) != found.contains(&"cost-copy".to_owned()), "{found:?}");
    assert!(!found.contains(&"copy".to_owned()) && !found.contains(&"exact".to_owned()), "{found:?}");
}

#[tokio::test]
async fn pages_have_each_article_once_while_others_arrive() {
    let mut desk = Desk::with(all()).await;
    let board = name_of(&desk, "board").await;
    let mut request = ListRelatedArticlesRequest { page_size: 1, ..of(&board) };
    let mut found = Vec::new();
    for number in 0.. {
        let page = related(&desk, request.clone()).await;
        assert!(page.related_articles.len() <= 1);
        found.extend(sorted(&page));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        let body = format!("Dredging of the northern channel of Port Ellery continues on day {number}, said Quill.");
        desk.add(article(&format!("late-{number}"), "Dredging continues at Port Ellery", &body)).await;
    }
    for name in ["cost", "ferries", "fishermen"] {
        assert_eq!(found.iter().filter(|found| *found == name).count(), 1, "{name} in {found:?}");
    }
    let mut distinct = found.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), found.len(), "{found:?}");
}

#[tokio::test]
async fn scripts_without_spaces_and_inflected_languages_are_related() {
    let texts = |language: &str, articles: &[(&str, &str)]| -> Vec<Article> {
        let each = articles.iter().enumerate().map(|(number, (headline, body))| Article {
            language_code: language.into(),
            ..article(&format!("{language}-{number}"), headline, body)
        });
        each.collect()
    };
    let japanese = texts(
        "ja",
        &[
            ("北港の浚渫を決定", "北港の航路を冬までに浚渫することを港湾局が決めた。二隻のフェリーが座礁したためだ。"),
            ("航路浚渫に漁協が要望", "漁協は北港の航路の浚渫で牡蠣の養殖場を避けるよう港湾局に求めた。"),
            ("深夜に開くパン屋", "夜勤の看護師や運転手が列を作る店がある。"),
        ],
    );
    let russian = texts(
        "ru",
        &[
            (
                "Порт Эллери углубит канал",
                "Портовое управление решило углубить северный канал до зимы. Ида Квилл назвала цену.",
            ),
            (
                "Рыбаки о канале",
                "Рыбаки просят портовое управление не трогать устриц при углублении северного канала, пишет Квилл.",
            ),
            ("Ночная пекарня", "Медсёстры и водители стоят в очереди за булочками."),
        ],
    );
    let desk = Desk::with(japanese.into_iter().chain(russian)).await;
    for language in ["ja", "ru"] {
        let first = name_of(&desk, &format!("{language}-0")).await;
        assert_eq!(sorted(&related(&desk, of(&first)).await), [format!("{language}-1")]);
    }
}

#[tokio::test]
async fn invalid_requests_name_the_field() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    for (request, field) in [
        (of("nothing"), "name"),
        (ListRelatedArticlesRequest { page_size: -1, ..of("articles/a-1") }, "page_size"),
        (ListRelatedArticlesRequest { page_token: "x".into(), ..of("articles/a-1") }, "page_token"),
        (
            ListRelatedArticlesRequest {
                filter: Some(ArticleFilter { text: "(".into(), ..Default::default() }),
                ..of("articles/a-1")
            },
            "filter.text",
        ),
    ] {
        let refused = reads.list_related_articles(request).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
    let unknown = reads.list_related_articles(of("articles/a-1")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}
