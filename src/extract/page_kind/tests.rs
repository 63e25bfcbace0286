//! Pages of every kind, in several languages.

use super::PageKind;
use crate::extract::{Budget, Document, ExtractError, Extraction, Hints, Limits, Payload, extract};

const STORY: &str = "<p>The harbour board of Port Ellery agreed on Monday to dredge the northern channel before the \
    winter, after two ferries ran aground within a week and a third was delayed by six hours.</p><p>Mayor Ida \
    Quill said the works would cost 4.2 million crowns and last until the end of November, \
             with night shifts on weekdays.</p>";

/// Returns the kind of a page, and the body if it has one.
fn judged(page: &str, url: &str, reject_non_articles: bool) -> Result<(PageKind, String), ExtractError> {
    let hints = Hints { reject_non_articles, ..Hints::default() };
    let document = Document { payload: Payload::Html(page), url: Some(url), hints };
    let limits = Limits::default();
    match extract(&document, &Budget::unattended(&limits))? {
        Extraction::Article(extracted) => Ok((extracted.report.page_kind, extracted.draft.body)),
        Extraction::Feed(_) => panic!("a page is no feed"),
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html><head><title>{title}</title></head><body><nav><a \
                href='/'>Home</a></nav>{body}</body></html>"
    )
}

#[test]
fn walls_are_no_articles_in_any_language() {
    use PageKind::{ConsentWall, NotFound, RobotCheck};
    for (kind, title, body) in [
        (
            ConsentWall,
            "Ellery Herald",
            "<div><h2>Your privacy</h2><p>We and our 90 partners store and access information on a device to show \
                personalised ads and content.</p></div>",
        ),
        (
            ConsentWall,
            "Ellery Herald",
            "<main><p>Avec votre accord, nous utilisons des cookies et des données personnelles telles que votre \
                visite, sur la base de leur intérêt légitime.</p></main>",
        ),
        (
            ConsentWall,
            "Ellery Herald",
            "<div class=cmp><p>Mit Ihrer Zustimmung zeigen wir personalisierte Anzeigen und Inhalte; wir verwenden \
                Cookies auf dieser Seite und auf allen anderen.</p></div>",
        ),
        (
            RobotCheck,
            "herald.example",
            "<p>Please enable JS and disable any ad blocker to continue to the page that you were looking for on \
                this site.</p>",
        ),
        (
            RobotCheck,
            "herald.example",
            "<p>Bitte aktivieren Sie JavaScript in Ihrem Browser, damit wir wissen, dass Sie ein Mensch sind und \
                kein Programm.</p>",
        ),
        (
            RobotCheck,
            "herald.example",
            "<p>Включите JavaScript в настройках браузера и обновите страницу, чтобы продолжить работу с сайтом \
                газеты.</p>",
        ),
        (
            NotFound,
            "Page not found",
            "<h1>Page not found</h1><p>The address may have been typed wrongly, or the story was moved to another \
                place. Try the search on top of the page.</p>",
        ),
        (
            NotFound,
            "Seite nicht gefunden",
            "<h1>Seite nicht gefunden</h1><p>Die Adresse ist vielleicht falsch geschrieben, oder der Artikel wurde \
                an eine andere Stelle verschoben.</p>",
        ),
        (
            NotFound,
            "Página no encontrada",
            "<h1>Página no encontrada</h1><p>Es posible que la dirección esté mal escrita o que el artículo se haya \
                movido a otro lugar del sitio.</p>",
        ),
    ] {
        let judged = judged(&page(title, body), "https://herald.example/news/channel", false);
        assert_eq!(judged, Err(ExtractError::NotAnArticle { kind }), "{body}");
    }
}

#[test]
fn notices_leave_the_story_and_offers_mark_it_as_a_stub() {
    let story = format!("<h1>Channel to be dredged before winter</h1>{STORY}");
    for (kind, notice) in [
        (
            PageKind::Article,
            "<div class=privacy-notice><p>We use necessary cookies to make our site work, and analytics cookies to \
                improve it. You can change your mind at any time on the page about cookies, where you will find what \
                each of them does.</p></div>",
        ),
        (
            PageKind::PaywallStub,
            "<div><p>You have read your last free article this month.</p><p>Subscribe now for 1 crown a week; cancel \
                whenever you like.</p></div>",
        ),
        (
            PageKind::PaywallStub,
            "<section class=offer><h2>Jetzt weiterlesen mit Herald+</h2><p>Zugang zu allen Artikeln des Herald, auf \
                allen Geräten, für 2,95 Kronen in der Woche.</p><p>Sie sind bereits Abonnent? Dann melden Sie sich \
                hier an.</p></section>",
        ),
        (
            PageKind::PaywallStub,
            "<div class=paywall><p>Cet article est réservé aux abonnés. Déjà abonné ? Connectez-vous pour lire la \
                suite, sans engagement.</p></div>",
        ),
    ] {
        let page = format!(
            "<html><head><title>Channel to be dredged before winter</title><meta property='og:type' content='article'>\
            <meta name=author content='Tom Hale'></head><body><article>{story}{notice}</article></body></html>"
        );
        let (judged, body) = judged(&page, "https://herald.example/news/channel-to-be-dredged", true).unwrap();
        assert_eq!(judged, kind, "{notice}");
        assert!(body.starts_with("The harbour board") && body.ends_with("on weekdays."), "{notice}: {body}");
    }
}

#[test]
fn other_pages_have_a_kind_and_are_refused_if_the_request_says_so() {
    let text =
        "Words about boats and the quay that go on for some time and make a paragraph of running text, as pages have.";
    let cards: String =
        (0..8).map(|n| format!("<div><h3><a href='/{n}'>Boat {n} is here</a></h3><p>{text}</p></div>")).collect();
    let posts: String = (0..5)
        .map(|n| {
            format!(
                "<div class='postrow'><a href='/u/{n}'>user{n}</a><div \
                class=content><p>{text}</p></div><a href='#'>Quote</a></div>"
            )
        })
        .collect();
    let goods: String = (0..9)
        .map(|n| format!("<div><a href='/p/{n}'>Rope {n}</a><span>$ {n}.99</span><button>Add</button></div>"))
        .collect();
    let parts: String =
        (0..7).map(|n| format!("<h2>{n}. Rights</h2><p>{text}</p><ul><li>One</li><li>Two</li></ul>")).collect();
    for (kind, url, page) in [
        (PageKind::Listing, "https://herald.example/tag/boats", page("Boats", &format!("<h1>Boats</h1>{cards}"))),
        (
            PageKind::Forum,
            "https://herald.example/viewtopic.php",
            page("Which rope", &format!("<h1>Which rope?</h1>{posts}")),
        ),
        (
            PageKind::Product,
            "https://herald.example/shop/rope",
            page("Rope", &format!("<h1>Rope</h1><p>{text}</p>{goods}")),
        ),
        (
            PageKind::ServicePage,
            "https://herald.example/privacy",
            page("Privacy policy", &format!("<h1>Privacy policy</h1>{parts}")),
        ),
        (
            PageKind::ServicePage,
            "https://herald.example/datenschutz",
            page("Datenschutz", &format!("<h1>Datenschutz</h1>{parts}")),
        ),
    ] {
        assert_eq!(judged(&page, url, false).map(|(kind, _)| kind), Ok(kind), "{url}");
        assert_eq!(judged(&page, url, true).map(|(kind, _)| kind), Err(ExtractError::NotAnArticle { kind }), "{url}");
    }
}

#[test]
fn stories_are_articles_even_if_they_are_about_walls() {
    for (headline, text) in [
        (
            "Cookies are to ask for consent again",
            "The watchdog said that sites which say “we use cookies” without a choice break the law.",
        ),
        (
            "Robot takes the ferry",
            "The robot had to prove that it was not a robot, said Ida Quill, and everybody on the quay laughed.",
        ),
        (
            "Error 404 is forty",
            "“Page not found” was first shown on a screen forty years ago, and nobody at the board remembers why.",
        ),
    ] {
        let page = format!(
            "<html><head><title>{headline}</title><meta name=author content='Ida Quill'><meta \
            property='article:published_time' content='2026-11-02T08:00:00Z'></head><body><article><h1>{headline}</h1>\
            <p>{text}</p>{STORY}{STORY}</article></body></html>"
        );
        let (kind, body) = judged(&page, "https://herald.example/news/2026/11/02/a-story-of-walls", true).unwrap();
        assert_eq!(kind, PageKind::Article, "{headline}");
        assert!(body.contains(text), "{body}");
    }
}
