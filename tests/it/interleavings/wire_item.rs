//! Wire items of each format with a publication status.

use copydesk::proto::RawPayload;

/// A format whose items state their status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireFormat {
    NewsmlG2,
    Newsml1,
    Nitf,
    Ninjs,
}

impl WireFormat {
    pub const ALL: [Self; 4] = [Self::NewsmlG2, Self::Newsml1, Self::Nitf, Self::Ninjs];

    /// Returns an item of this format as a payload.
    pub fn payload(self, item: &WireItem<'_>) -> RawPayload {
        let (data, mime_type) = match self {
            Self::NewsmlG2 => (item.newsml_g2(), "application/xml"),
            Self::Newsml1 => (item.newsml_1(), "text/xml"),
            Self::Nitf => (item.nitf(), "application/xml"),
            Self::Ninjs => (item.ninjs(), "application/json"),
        };
        RawPayload::new(data, mime_type)
    }
}

/// Item of a wire: a story, or its cancellation.
pub struct WireItem<'a> {
    pub id: &'a str,
    pub headline: &'a str,
    pub body: &'a str,
    /// Time of this version, in ISO 8601. An item without one is ordered by its fetch.
    pub updated: Option<String>,
    pub is_canceled: bool,
}

impl WireItem<'_> {
    fn newsml_g2(&self) -> String {
        let Self { id, headline, body, .. } = self;
        let status = if self.is_canceled { "stat:canceled" } else { "stat:usable" };
        let updated = element("versionCreated", self.updated.as_deref());
        format!(
            r#"<newsItem xmlns="http://iptc.org/std/nar/2006-10-01/" guid="{id}" standard="NewsML-G2"
            standardversion="2.29" xml:lang="en"><itemMeta><itemClass qcode="ninat:text"/>{updated}
            <pubStatus qcode="{status}"/></itemMeta><contentMeta><headline>{headline}</headline></contentMeta>
            <contentSet><inlineXML contenttype="application/xhtml+xml"><html xmlns="http://www.w3.org/1999/xhtml">
            <head><title/></head><body><p>{body}</p></body></html></inlineXML></contentSet></newsItem>"#
        )
    }

    fn newsml_1(&self) -> String {
        let Self { id, headline, body, .. } = self;
        let status = if self.is_canceled { "Canceled" } else { "Usable" };
        let updated = element("ThisRevisionCreated", self.updated.as_deref());
        format!(
            r#"<NewsML><NewsItem xml:lang="en"><Identification><NewsIdentifier><PublicIdentifier>{id}</PublicIdentifier>
            </NewsIdentifier></Identification><NewsManagement>{updated}<Status FormalName="{status}"/></NewsManagement>
            <NewsComponent><NewsLines><HeadLine>{headline}</HeadLine></NewsLines><ContentItem>
            <MediaType FormalName="Text"/><DataContent><p>{body}</p></DataContent></ContentItem></NewsComponent>
            </NewsItem></NewsML>"#
        )
    }

    fn nitf(&self) -> String {
        let Self { id, headline, body, .. } = self;
        let status = if self.is_canceled { "canceled" } else { "usable" };
        let updated = self.updated.as_deref();
        let updated = updated.map(|time| format!(r#"<revision-history norm="{time}"/>"#)).unwrap_or_default();
        format!(
            r#"<nitf><head><docdata management-status="{status}"><doc-id id-string="{id}"/></docdata>{updated}</head>
            <body><body.head><hedline><hl1>{headline}</hl1></hedline></body.head>
            <body.content><p>{body}</p></body.content></body></nitf>"#
        )
    }

    fn ninjs(&self) -> String {
        let status = if self.is_canceled { "canceled" } else { "usable" };
        let mut item = serde_json::json!({
            "uri": self.id, "type": "text", "pubstatus": status, "language": "en",
            "headline": self.headline, "body_html": format!("<p>{}</p>", self.body),
        });
        if let Some(time) = &self.updated {
            item["versioncreated"] = time.as_str().into();
        }
        item.to_string()
    }
}

fn element(name: &str, text: Option<&str>) -> String {
    text.map(|text| format!("<{name}>{text}</{name}>")).unwrap_or_default()
}
