//! Generators of documents that are expensive for their size, by name. Each stands for a kind of input: something
//! repeated that a parser, a library or a rule might read more than once.

/// A kind of document.
pub struct Case {
    pub name: &'static str,
    make: Box<dyn Fn(usize) -> String + Send + Sync>,
}

impl Case {
    /// Makes a document of about this many bytes.
    pub fn document(&self, bytes: usize) -> String {
        (self.make)(bytes)
    }
}

const HEAD: &str = "<!doctype html><html><head><title>Storm closes the northern ports</title>\
    <meta property='og:title' content='Storm closes the northern ports'>\
    <meta property='article:published_time' content='2024-05-01T10:00:00Z'></head><body><article>\
    <h1>Storm closes the northern ports</h1>";
const PARAGRAPH: &str = "<p>The harbour master said on Monday that all ships were to stay in port until the wind \
    had dropped below forty knots, and that nobody had been hurt.</p>";
const END: &str = "</article></body></html>";
const RSS: &str = "<?xml version='1.0'?><rss version='2.0' xmlns:content='http://purl.org/rss/1.0/modules/content/' \
    xmlns:media='http://search.yahoo.com/mrss/'><channel><title>N</title><link>http://n.example/</link>";
const ATOM: &str = "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><title>N</title><id>x</id>";
const JSON_FEED: &str = "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"N\",\"items\":[";
const ITEM: &str = "<item><title>Storm</title><link>http://n.example/1</link>";

/// Repeats a text up to a size.
fn repeat(text: &str, bytes: usize) -> String {
    text.repeat((bytes / text.len()).max(1))
}

/// Repeats a text up to a size, with `#` replaced by the number of the repetition.
fn number(text: &str, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + text.len());
    for number in 0_u32.. {
        if out.len() >= bytes {
            break;
        }
        out += &text.replace('#', &number.to_string());
    }
    out
}

/// Puts a fragment into the middle of a page.
fn page(inner: &str) -> String {
    format!("{HEAD}{0}{inner}{0}{END}", PARAGRAPH.repeat(3))
}

/// Puts a fragment into the head of a page.
fn head(inner: &str) -> String {
    format!("<html><head>{inner}</head><body>{}", PARAGRAPH.repeat(5))
}

fn json_ld(json: &str) -> String {
    format!("{HEAD}<script type='application/ld+json'>{json}</script>{}{END}", PARAGRAPH.repeat(5))
}

/// Repetitions within a page, a text, structured data or a feed.
struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, name: &'static str, make: impl Fn(usize) -> String + Send + Sync + 'static) {
        self.0.push(Case { name, make: Box::new(make) });
    }

    /// Adds a page: `before`, then `unit` repeated, then `after`.
    fn page(&mut self, name: &'static str, before: &'static str, unit: &'static str, after: &'static str) {
        self.add(name, move |bytes| page(&format!("{before}{}{after}", fill(unit, bytes))));
    }

    fn head(&mut self, name: &'static str, before: &'static str, unit: &'static str, after: &'static str) {
        self.add(name, move |bytes| head(&format!("{before}{}{after}", fill(unit, bytes))));
    }

    fn json_ld(&mut self, name: &'static str, before: &'static str, unit: &'static str, after: &'static str) {
        self.add(name, move |bytes| json_ld(&format!("{before}{}{after}", fill(unit, bytes))));
    }

    fn bare(&mut self, name: &'static str, before: &'static str, unit: &'static str, after: &'static str) {
        self.add(name, move |bytes| format!("{before}{}{after}", fill(unit, bytes)));
    }

    fn feed(
        &mut self,
        name: &'static str,
        start: &'static str,
        before: &'static str,
        unit: &'static str,
        after: &'static str,
    ) {
        self.add(name, move |bytes| format!("{start}{before}{}{after}", fill(unit, bytes)));
    }
}

fn fill(unit: &str, bytes: usize) -> String {
    if unit.contains('#') { number(unit, bytes) } else { repeat(unit, bytes) }
}

/// Returns all kinds.
pub fn cases() -> Vec<Case> {
    let mut table = Table(Vec::new());
    tags(&mut table);
    markup(&mut table);
    characters(&mut table);
    words(&mut table);
    metadata(&mut table);
    structured(&mut table);
    texts(&mut table);
    feeds(&mut table);
    table.0
}

/// Tags that are never closed, and pairs of them.
fn tags(table: &mut Table) {
    const TAGS: [&str; 33] = [
        "p",
        "a",
        "b",
        "i",
        "table",
        "li",
        "td",
        "div",
        "span",
        "tr",
        "ul",
        "dd",
        "font",
        "nobr",
        "button",
        "h1",
        "select",
        "option",
        "form",
        "iframe",
        "svg",
        "math",
        "template",
        "ruby",
        "rt",
        "blockquote",
        "pre",
        "address",
        "noscript",
        "article",
        "figure",
        "object",
        "center",
    ];
    for tag in TAGS {
        table.add(format!("unclosed-{tag}").leak(), move |bytes| page(&repeat(&format!("<{tag}>word "), bytes)));
        table.add(format!("pairs-{tag}").leak(), move |bytes| {
            page(&repeat(&format!("<{tag}>word word</{tag}>"), bytes))
        });
    }
    for (name, levels) in [("nested-inline-200", 60), ("nested-inline-60", 20)] {
        table.add(name, move |bytes| {
            let (open, close) = ("<b><i><u>".repeat(levels), "</u></i></b>".repeat(levels));
            page(&repeat(&format!("<p>{open}word {close}</p>"), bytes))
        });
    }
    for (name, levels) in [("nested-div-200", 200), ("nested-div-20", 20)] {
        table.add(name, move |bytes| {
            let (open, close) = ("<div>".repeat(levels), "</div>".repeat(levels));
            page(&repeat(&format!("{open}word word{close}"), bytes))
        });
    }
    for (name, levels) in [("deep-then-wide-490", 490), ("deep-then-wide-200", 200), ("deep-then-wide-50", 50)] {
        table.add(name, move |bytes| {
            let inner = repeat("<p>Some words of a sentence that goes on here.</p>", bytes);
            page(&format!("{}{inner}{}", "<div>".repeat(levels), "</div>".repeat(levels)))
        });
    }
    table.add("deep-then-text", |bytes| page(&format!("{}{}", "<b>".repeat(200), repeat("w<br>", bytes))));
    table.add("deep-modal-boxes", |bytes| {
        let (open, close) = ("<div class=modal>".repeat(80), "</div>".repeat(80));
        page(&format!("{open}{}{close}", repeat("words of a box ", bytes)))
    });
    table.add("tables-nested", |bytes| {
        page(&repeat(&format!("{}word{}", "<table><tr><td>".repeat(60), "</table>".repeat(60)), bytes))
    });
    table.add("articles-nested", |bytes| {
        page(&repeat(&format!("{}{PARAGRAPH}{}", "<article>".repeat(90), "</article>".repeat(90)), bytes))
    });
    table.add("microdata-nested", |bytes| {
        let open = "<div itemscope itemtype='http://schema.org/NewsArticle'>".repeat(50);
        page(&repeat(&format!("{open}<span itemprop=headline>Storm</span>{}", "</div>".repeat(50)), bytes))
    });
}

/// Attributes and elements, and their treatment by HTML's parser.
fn markup(table: &mut Table) {
    for (name, before, unit, after) in [
        ("attribute-long", "<p title='", "a", "'>x</p>"),
        ("attribute-ampersands", "<p title='", "&", "'>x</p>"),
        ("attribute-quotes", "<p title='", "\"", "'>x</p>"),
        ("attribute-spaces", "<p title='", "\u{A0}", "'>x</p>"),
        ("attributes-long", "", "<p title='&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&'>x</p>", ""),
        ("class-long", "<div class='", "comment ", "'>x</div>"),
        ("class-modal", "<div class='", "modal ", "'>x</div>"),
        ("style-long", "<div style='", "display:none;", "'>x</div>"),
        ("id-long", "<div id='", "article-", "'>x</div>"),
        ("attributes-many", "<p ", "a#=1 ", ">x</p>"),
        ("comments", "", "<!-- x -->", ""),
        ("comment-open", "<!--", "-", ""),
        ("comment-opens", "", "<!--", ""),
        ("cdata", "", "<![CDATA[x]]>", ""),
        ("cdata-svg", "<svg>", "<![CDATA[x]]>", "</svg>"),
        ("processing-instructions", "", "<?x y?>", ""),
        ("tag-never-ends", "", "<a ", ""),
        ("quote-never-ends", "", "<a href='", ""),
        ("links", "", "<a href='/n/#'>link #</a> ", ""),
        ("links-in-paragraph", "<p>", "some words <a href='/n/#'>link #</a> ", "</p>"),
        ("links-in-list", "<ul>", "<li><a href='/n/#'>link #</a></li>", "</ul>"),
        ("times", "", "<time datetime='2024-05-01T10:00:00Z'>May 1, 2024</time>", ""),
        ("headings", "", "<h2>Heading # of this</h2>", ""),
        ("headlines", "", "<h1>Storm closes the northern ports #</h1>", ""),
        (
            "articles",
            "",
            "<article><h2>Storm</h2><p>The harbour master said that ships stay in port.</p></article>",
            "",
        ),
        ("figures", "", "<figure><img src=/a#.jpg><figcaption>The ships in port</figcaption></figure>", ""),
        ("figure-of-images", "<figure>", "<img src='/i#.jpg'>", "</figure>"),
        ("images", "", "<img src='/i#.jpg' alt='x'>", ""),
        ("table-foster", "<table>", "word <b>x</b>", ""),
        ("table-cells", "<table>", "<tr><td>a<td>b<td>c", "</table>"),
        ("table-spans", "<table>", "<tr><td colspan=1000 rowspan=65534>a", "</table>"),
        ("scripts", "", "<script>var a=1;</script>", ""),
        ("script-open", "", "<script><!--<script>", ""),
        (
            "script-data",
            "<script id=__NEXT_DATA__ type='application/json'>{\"a\":[",
            "{\"headline\":\"x\"},",
            "1]}</script>",
        ),
        ("script-ampersands", "<script>", "&", "</script>"),
        ("styles", "<style>", ".a{display:none}", "</style>"),
        ("formatting", "", "<b><p>word</b></p>", ""),
        ("adoption", "", "<a><b><div>word</a></b></div>", ""),
        ("end-tags", "", "</div>", ""),
        ("end-paragraphs", "", "</p>", ""),
        ("end-breaks", "", "</br>", ""),
        ("bodies", "", "<body a=1>", ""),
        ("bodies-distinct", "", "<body a#=1>", ""),
        ("htmls-distinct", "", "<html a#=1>", ""),
        ("framesets", "", "<frameset>", ""),
        ("noscripts", "", "<noscript><p>words here</p></noscript>", ""),
        ("templates", "", "<template><p>words here</p></template>", ""),
        ("textarea", "<textarea>", "<p>x", ""),
        ("plaintext", "<plaintext>", "<p>x ", ""),
        ("xmp", "<xmp>", "<p>x ", "</xmp>"),
        (
            "comments-of-readers",
            "<div class=comments>",
            "<div class=comment><p>I think that this is so.</p></div>",
            "</div>",
        ),
        ("quotations", "", "<blockquote>x</blockquote>", ""),
        ("inline-mix", "", "text # <b>bold #</b> ", ""),
        ("block-mix", "", "text # <div>bold #</div> ", ""),
        ("breaks", "<p>", "<br>", "</p>"),
        ("break-lines", "<p>", "line of words here<br><br>", "</p>"),
    ] {
        table.page(name, before, unit, after);
    }
    table.add("htmls-of-900", |bytes| {
        let attributes: String = (0..900).map(|number| format!("a#x{number} ")).collect();
        page(&number(&format!("<html {attributes}>"), bytes))
    });
    table.add("htmls-known", |bytes| {
        let attributes: String = (0..900).map(|number| format!("a{number} ")).collect();
        format!("<html {attributes}>{}", page(&repeat("<html a1=1>", bytes)))
    });
    table.add("attributes-900-each", |bytes| {
        let attributes: String = (0..900).map(|number| format!("a{number}=1 ")).collect();
        page(&repeat(&format!("<p {attributes}>x</p>"), bytes))
    });
}

/// Characters that are escaped, composed, trimmed or dropped.
fn characters(table: &mut Table) {
    for (name, unit) in [
        ("ampersands-named", "&amp;"),
        ("entities-numeric", "&#x1F600;"),
        ("ampersands", "&"),
        ("entities-longest", "&CounterClockwiseContourIntegra"),
        ("entities-double", "&amp;amp;"),
        ("less-than", "<"),
        ("less-than-entities", "&lt;"),
        ("greater-than", "> "),
        ("guillemets", "\u{AB}\u{BB}"),
        ("addresses", "http://n.example/?a=1&b=2&c=3 "),
        ("no-break-spaces", "\u{A0}"),
        ("spaces", " "),
        ("newlines", "\n"),
        ("digits", "1"),
        ("digits-dashes", "1-"),
        ("parentheses", "("),
        ("quotes", "\u{201C}"),
        ("dashes", "- "),
        ("at-signs", "a@"),
        ("schemes", "http://"),
        ("combining", "\u{301}"),
        ("combining-mixed", "\u{301}\u{327}\u{316}\u{345}"),
        ("hangul", "\u{1100}\u{1161}\u{11A8}"),
        ("joiners", "\u{1F468}\u{200D}"),
        ("flags", "\u{1F1E6}"),
        ("overrides", "\u{202E}abc"),
        ("zero-width", "\u{200B}"),
        ("han", "新聞記事、"),
        ("thai", "ข่าว"),
        ("nul", "\0"),
        ("word-long", "w"),
    ] {
        table.page(name, "<p>a", unit, "b</p>");
        table.add(format!("text-{name}").leak(), move |bytes| {
            format!("Storm closes ports\n\na{}b\n", repeat(unit, bytes))
        });
        table.add(format!("pre-{name}").leak(), move |bytes| {
            page(&format!("<pre>{}</pre>", repeat(&format!("a {unit} b\n"), bytes)))
        });
    }
    table.add("combining-descending", |bytes| {
        page(&format!("<p>a{}{}</p>", "\u{345}".repeat(bytes / 4), "\u{327}".repeat(bytes / 4)))
    });
}

/// Words that rules search for.
fn words(table: &mut Table) {
    for (name, before, unit, after) in [
        ("line-long", "<p>", "word and another word. ", "</p>"),
        (
            "paragraphs-same",
            "",
            "<p>The harbour master said on Monday that all ships were to stay in port today.</p>",
            "",
        ),
        (
            "paragraphs",
            "",
            "<p>The number # was drawn by the master of the lottery, and people were glad of it.</p>",
            "",
        ),
        ("paragraphs-short", "", "<p>#</p>", ""),
        ("bylines", "", "<div class='byline author' rel=author>By John Smith# and Mary Jones and Ann Lee</div>", ""),
        ("byline-long", "<div class='byline' itemprop=author>By ", "John Smith#, Mary Jones and ", "</div>"),
        ("byline-of", "<div class='byline'>By ", "of of and , ", "</div>"),
        ("by-by", "<p>", "By ", "</p>"),
        ("dateline", "<p>", "LONDON, ", "May 1 (Reuters) - The ships stay in port.</p>"),
        ("datelines", "", "<p>LONDON, May 1 (Reuters) - </p>", ""),
        ("datelines-in-line", "<p>", "LONDON (AP) \u{2014} ", "</p>"),
        ("dates", "<p>", "May 1, 2024 10:00 ", "</p>"),
        ("headline-in-text", "", "Storm closes the northern ports ", ""),
        ("headline-paragraphs", "", "<p>Storm closes the northern ports</p>", ""),
        ("headline-bars", "<h1>", "| ", "</h1>"),
        ("teaser-headings", "", "<h3>Top stories</h3><ul><li><a href=/#>Boats sink #</a></li></ul>", ""),
        ("lists", "<ul>", "<li>Some words of text.", "</ul>"),
        ("hentries", "", "<div class='hentry'><span class='vcard author'>Jane Doe</span></div>", ""),
    ] {
        table.page(name, before, unit, after);
    }
}

/// Titles and meta elements.
fn metadata(table: &mut Table) {
    for (name, before, unit, after) in [
        ("title-bars", "<title>", "Storm | ", "</title>"),
        ("title-dashes", "<title>", "Storm closes - ", "</title>"),
        ("title-meta-long", "<meta property='og:title' content='", "Storm - ", "'>"),
        ("title-meta-escaped", "<meta property='og:title' content='", "&amp;amp; ", "'>"),
        ("metas-author", "", "<meta name='author' content='Jane Doe#'>", ""),
        ("metas-tag", "", "<meta property='article:tag' content='tag#'>", ""),
        ("meta-keywords", "<meta name=keywords content='", "tag#, ", "'>"),
        ("canonicals", "", "<link rel=canonical href='http://a.example/x'>", ""),
    ] {
        table.head(name, before, unit, after);
    }
}

/// JSON-LD.
fn structured(table: &mut Table) {
    const ARTICLE: &str = "{\"@type\":\"NewsArticle\",\"headline\":\"Storm\",";
    for (name, before, unit, after) in [
        ("json-arrays-open", "", "[", ""),
        ("json-objects-open", "", "{\"@graph\":", ""),
        (
            "json-text",
            "{\"@type\":\"NewsArticle\",\"headline\":\"Storm\",\"articleBody\":\"",
            "word and other words. ",
            "\"}",
        ),
        ("json-text-escaped", "{\"@type\":\"NewsArticle\",\"headline\":\"Storm\",\"articleBody\":\"", "\\u0041", "\"}"),
        (
            "json-text-html",
            "{\"@type\":\"NewsArticle\",\"headline\":\"Storm\",\"articleBody\":\"",
            "&lt;p&gt;x ",
            "\"}",
        ),
        (
            "json-text-newlines",
            "{\"@type\":\"NewsArticle\",\"headline\":\"Storm\",\"articleBody\":\"",
            "line\n\t",
            "\"}",
        ),
        ("json-headline", "{\"@type\":\"NewsArticle\",\"headline\":\"", "word - ", "\"}"),
        ("json-graph", "{\"@graph\":[", "{\"@type\":\"NewsArticle\",\"headline\":\"Storm #\"},", "1]}"),
        ("json-empty-objects", "{\"x\":[", "{},", "{}]}"),
        ("json-numbers", "[", "0,", "0]"),
        ("json-empty-arrays", "[", "[],", "0]"),
        ("json-objects", "[", "{\"a\":1},", "0]"),
        ("json-truncated", "[", "{\"a\":1},", ""),
        ("json-comments", "", "/* x */", "{}"),
    ] {
        table.json_ld(name, before, unit, after);
    }
    for (name, field, unit, after) in [
        ("json-authors", "\"author\":[", "{\"name\":\"Jane Doe#\"},", "\"x\"]}"),
        ("json-keywords", "\"keywords\":[", "\"t#\",", "\"x\"]}"),
        ("json-keys", "", "\"k#\":1,", "\"x\":1}"),
        ("json-types", "\"@type\":[", "\"T#\",", "\"x\"]}"),
    ] {
        table.add(name, move |bytes| json_ld(&format!("{ARTICLE}{field}{}{after}", number(unit, bytes))));
    }
    table.page(
        "json-scripts",
        "",
        "<script type='application/ld+json'>{\"@type\":\"NewsArticle\",\"headline\":\"Storm #\"}</script>",
        "",
    );
}

/// Text dumps.
fn texts(table: &mut Table) {
    for (name, before, unit, after) in [
        ("text-lines-short", "", "a\n", ""),
        ("text-lines-returns", "", "a\r", ""),
        ("text-lines-separators", "", "a\u{2028}", ""),
        ("text-lines-crlf", "", "a\r\n\r\n", ""),
        ("text-lines-blank", "Storm closes ports\n", "\n", ""),
        ("text-line-long", "", "word and another word. ", ""),
        ("text-paragraphs", "", "The number # was drawn by the master of the lottery on this day of the week.\n\n", ""),
        ("text-paragraphs-same", "", "The number was drawn by the master of the lottery on this day.\n\n", ""),
        ("text-byline", "Storm closes ports\n\nBy ", "John Smith and ", "\n\nText here.\n"),
        ("text-bylines", "", "By John Smith\n", ""),
        ("text-dates", "", "May 1, 2024\n", ""),
        ("text-dateline", "Storm closes ports\n\n", "LONDON, ", "May 1 (Reuters) - x\n"),
        ("text-headers", "", "Header#: value\n", "\nBody text\n"),
        ("text-headers-continued", "Subject: x\n", " more\n", "\nBody text\n"),
        ("text-indent", "", "   word\n", ""),
        ("text-rules", "", "----\n", ""),
        ("text-quoted", "", "> x\n", ""),
        ("text-markdown", "", "# H\n* [a](b)\n", ""),
        ("text-brackets", "", "[", ""),
        ("text-stars", "", "*a **b ", ""),
        ("text-iptc", "\u{1}", "ABC1234 4 POL 0123\n\u{2}Storm\n\u{3}", ""),
        ("text-mhtml", "MIME-Version: 1.0\n\n", "--x\nContent-Type: text/html\n\n<p>hi</p>\n", "--x--"),
    ] {
        table.bare(name, before, unit, after);
    }
}

/// RSS, RDF, Atom, JSON Feed and other XML.
fn feeds(table: &mut Table) {
    const RDF: &str =
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>";
    const RSS_END: &str = "</item></channel></rss>";
    for (name, start, before, unit, after) in [
        (
            "feed-items",
            RSS,
            "",
            "<item><title>Storm #</title><guid>#</guid><description>Words.</description></item>",
            "</channel></rss>",
        ),
        ("feed-items-empty", RSS, "", "<item/>", "</channel></rss>"),
        ("feed-items-open", RSS, "", "<item>", ""),
        ("feed-open", RSS, "", "<a>", ""),
        ("feed-categories", RSS, ITEM, "<category>c#</category>", RSS_END),
        ("feed-links", RSS, ITEM, "<link>http://n.example/#</link>", RSS_END),
        ("feed-authors", RSS, ITEM, "<author>Jane Doe#</author>", RSS_END),
        ("feed-enclosures", RSS, ITEM, "<enclosure url='a'/>", RSS_END),
        ("feed-media", RSS, ITEM, "<media:group><media:content url='http://n.example/#'/></media:group>", RSS_END),
        ("feed-thumbnails", RSS, ITEM, "<media:thumbnail/>", RSS_END),
        (
            "feed-text",
            RSS,
            "<item><title>Storm</title><content:encoded><![CDATA[",
            "<p>The harbour master said so.</p>",
            "]]></content:encoded></item></channel></rss>",
        ),
        (
            "feed-text-escaped",
            RSS,
            "<item><title>Storm</title><description>",
            "&lt;p&gt;word&lt;/p&gt;",
            "</description></item></channel></rss>",
        ),
        (
            "feed-texts",
            RSS,
            "",
            "<item><title>Storm #</title><description><![CDATA[<p>The harbour master.</p>]]></description></item>",
            "</channel></rss>",
        ),
        ("feed-attributes", RSS, "<item ", "a#='1' ", "><title>Storm</title></item></channel></rss>"),
        ("feed-namespaces", "<rss ", "", "xmlns:a#='http://#' ", "><channel><item/></channel></rss>"),
        ("feed-namespaced", RSS, "", "<item xmlns:a#='http://#'><a#:x/></item>", "</channel></rss>"),
        ("feed-instructions", RSS, "", "<?a b?>", "</channel></rss>"),
        ("feed-comments", RSS, "", "<!--a-->", "</channel></rss>"),
        (
            "feed-bases",
            RSS,
            "",
            "<item xml:base='http://n.example/#/'><title>Storm #</title><link>x</link></item>",
            "</channel></rss>",
        ),
        ("rdf-items-empty", RDF, "", "<item/>", "</rdf:RDF>"),
        (
            "atom-entries",
            ATOM,
            "",
            "<entry><title>Storm #</title><id>u:#</id>\
             <content type='html'>&lt;p&gt;Words #&lt;/p&gt;</content></entry>",
            "</feed>",
        ),
        ("atom-entries-empty", ATOM, "", "<entry/>", "</feed>"),
        ("atom-links", ATOM, "<entry><title>Storm</title><id>u</id>", "<link/>", "</entry></feed>"),
        (
            "atom-xhtml",
            ATOM,
            "<entry><title>Storm</title><id>u</id><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>",
            "<p>word <b>w</b></p>",
            "</div></content></entry></feed>",
        ),
        ("json-feed", JSON_FEED, "", "{\"id\":\"#\",\"title\":\"S\",\"content_text\":\"Words of it.\"},", "{}]}"),
        ("json-feed-empty", JSON_FEED, "", "{},", "{}]}"),
        (
            "sitemap",
            "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>",
            "",
            "<url><loc>http://n.example/#</loc></url>",
            "</urlset>",
        ),
        (
            "nitf",
            "<?xml version='1.0'?><nitf><body><body.content>",
            "",
            "<p>word word</p>",
            "</body.content></body></nitf>",
        ),
    ] {
        table.feed(name, start, before, unit, after);
    }
    table.add("feed-namespaces-deep", |bytes| {
        let declared: String = (0..50).map(|number| format!("xmlns:a{number}='u' ")).collect();
        format!("{RSS}<item>{}{}", repeat(&format!("<x {declared}>"), bytes / 2), repeat("<y/>", bytes / 2))
    });
}
