//! Golden pairs of texts and the times that they state.

use super::*;

fn read(text: &str, tag: &str) -> String {
    let Some(stated) = parse(text, Locale::new(tag, "herald.example")) else { return "none".into() };
    let precision = match stated.precision {
        Precision::Day => return stated.time.to_string()[..10].to_owned(),
        Precision::ZoneAssumed => String::new(),
        Precision::Second(None) => "s".into(),
        Precision::Second(Some(offset)) => format!("{:+}", offset / 60),
    };
    format!("{}{precision}", stated.time)
}

fn check(table: &[(&str, &str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter(|(tag, text, expected)| read(text, tag) != *expected)
        .map(|(tag, text, expected)| format!("{tag} {text}: {} instead of {expected}", read(text, tag)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn machines_write_dates_in_many_forms() {
    check(&[
        ("", "2024-06-05T10:30:00+01:00", "2024-06-05T09:30:00Z+60"),
        ("", "2024-06-05T10:30:00+0100", "2024-06-05T09:30:00Z+60"),
        ("", "2024-06-05T10:30:00.512+01", "2024-06-05T09:30:00.512Z+60"),
        ("", "2024-06-05T10:30:00Z", "2024-06-05T10:30:00Z+0"),
        ("", "2024-06-05T10:30Z", "2024-06-05T10:30:00Z+0"),
        ("", "2024-06-05T10:30:00", "2024-06-05T10:30:00Z"),
        ("", "2024-06-05 10:30", "2024-06-05T10:30:00Z"),
        ("", "2024-06-05 10:30:00.0", "2024-06-05T10:30:00Z"),
        ("", "2024-06-05 10:30:00 -05:00", "2024-06-05T15:30:00Z-300"),
        ("", "2024-06-05 10:30:00 UTC", "2024-06-05T10:30:00Z+0"),
        ("", "2024-06-05", "2024-06-05"),
        ("", "20240605", "2024-06-05"),
        ("", "20240605T103000+0100", "2024-06-05T09:30:00Z+60"),
        ("", "20240605T103000Z", "2024-06-05T10:30:00Z+0"),
        ("", "2024/6/5 10:30:41", "2024-06-05T10:30:41Z"),
        ("", "Wed, 05 Jun 2024 10:30:00 GMT", "2024-06-05T10:30:00Z+0"),
        ("", "Wed, 05 Jun 2024 10:30:00 +0100", "2024-06-05T09:30:00Z+60"),
        ("", "Wed, 05 Jun 24 10:30:00 EST", "2024-06-05T15:30:00Z-300"),
        ("", "Mon, 02 Nov 2026 15:44:29 CET", "2026-11-02T14:44:29Z+60"),
        // Java, JavaScript, Drupal, and the C library.
        ("", "Tue Mar 05 10:00:00 CET 2024", "2024-03-05T09:00:00Z+60"),
        ("", "Tue Mar 05 10:00:00 -0500 2024", "2024-03-05T15:00:00Z-300"),
        ("", "Tue Mar 05 2024 10:00:00 GMT+0100 (Central European Standard Time)", "2024-03-05T09:00:00Z+60"),
        ("en", "Tue, 03/05/2024 - 10:00", "2024-03-05T10:00:00Z"),
        ("", "Tuesday, March 5, 2024 - 10:00", "2024-03-05T10:00:00Z"),
        ("", "Tue Mar  5 10:00:00 2024", "2024-03-05T10:00:00Z"),
        ("en", "3/5/2024 5:07:09 PM", "2024-03-05T17:07:09Z"),
        ("", "1709629200", "2024-03-05T09:00:00Zs"),
        ("", "1709629200123", "2024-03-05T09:00:00.123Zs"),
    ]);
}

#[test]
fn people_write_dates_in_their_language() {
    check(&[
        ("en", "June 5, 2024", "2024-06-05"),
        ("en", "5 June 2024", "2024-06-05"),
        ("en", "5th of June, 2024", "2024-06-05"),
        ("en", "Jun. 5, 2024, 7:20 p.m. ET", "2024-06-05T23:20:00Z-240"),
        ("en", "June 5, 2024 at 10 AM PT", "2024-06-05T17:00:00Z-420"),
        ("en", "10:30, 5 June 2024", "2024-06-05T10:30:00Z"),
        ("en", "05-Jun-24", "2024-06-05"),
        ("ar", "5 مارس 2024", "2024-03-05"),
        ("ar", "الثلاثاء ٥ آذار/مارس ٢٠٢٤ - ١٠:٣٠", "2024-03-05T10:30:00Z"),
        ("bg", "5 март 2024 г., 10:30", "2024-03-05T10:30:00Z"),
        ("ca", "5 de març de 2024 a les 10:19h", "2024-03-05T10:19:00Z"),
        ("ca", "5 d’octubre de 2024", "2024-10-05"),
        ("cs", "5. března 2024 10:30", "2024-03-05T10:30:00Z"),
        ("cs", "5. 3. 2024", "2024-03-05"),
        ("da", "5. marts 2024 kl. 10.30", "2024-03-05T10:30:00Z"),
        ("de", "Veröffentlicht am 5. März 2024", "2024-03-05"),
        ("de", "05.03.2024, 10:30 Uhr", "2024-03-05T10:30:00Z"),
        ("de", "Do 25.04.24 | 14:07 Uhr", "2024-04-25T14:07:00Z"),
        ("de", "5. Jänner 2024 um 18 Uhr", "2024-01-05T18:00:00Z"),
        ("el", "5 Μαρτίου 2024, 10:30", "2024-03-05T10:30:00Z"),
        ("es", "5 de marzo de 2024", "2024-03-05"),
        ("es", "Mar, 05/03/2024 - 10:30", "2024-03-05T10:30:00Z"),
        ("eu", "2024-03-05", "2024-03-05"),
        ("fa", "۱۴۰۵/۰۸/۰۵", "2026-10-27"),
        ("fa", "سه‌شنبه ۵ آبان ۱۴۰۵ ساعت ۱۰:۳۰", "2026-10-27T10:30:00Z"),
        ("fi", "5. lokakuuta 2026 klo 18.05", "2026-10-05T18:05:00Z"),
        ("fi", "5.10.2026 klo 18.05", "2026-10-05T18:05:00Z"),
        ("fr", "Publié le 5 mars 2024 à 10h30", "2024-03-05T10:30:00Z"),
        ("fr", "le 1er mars 2024 à 9 h 05", "2024-03-01T09:05:00Z"),
        ("fr", "06/10/2026 - 14:16 UTC+1", "2026-10-06T13:16:00Z+60"),
        ("he", "5 במרץ 2024", "2024-03-05"),
        ("hi", "5 मार्च 2024", "2024-03-05"),
        ("hr", "5. listopada 2024.", "2024-10-05"),
        ("hu", "2024. március 5., 10:30", "2024-03-05T10:30:00Z"),
        ("hy", "05 մարտի, 2024", "2024-03-05"),
        ("id", "Selasa, 5 Maret 2024 10:30 WIB", "2024-03-05T03:30:00Z+420"),
        ("it", "mar, 29 dic 2026 11:13:20 +0100", "2026-12-29T10:13:20Z+60"),
        ("it", "5 marzo 2024 alle 10:30", "2024-03-05T10:30:00Z"),
        ("ja", "2024年3月5日(火) 10時30分", "2024-03-05T10:30:00Z"),
        ("ja", "2024年3月5日 午後3:20", "2024-03-05T15:20:00Z"),
        ("ka", "5 მარტი, 2024", "2024-03-05"),
        ("ko", "2024년 3월 5일 오후 3시 20분", "2024-03-05T15:20:00Z"),
        ("ko", "입력 2024.03.05. 오전 10:30", "2024-03-05T10:30:00Z"),
        ("lt", "2024 m. kovo 5 d. 10:30", "2024-03-05T10:30:00Z"),
        ("lv", "2024. gada 5. marts", "2024-03-05"),
        ("nb", "Publisert torsdag 08. oktober 2026 - 13:26", "2026-10-08T13:26:00Z"),
        ("nl", "5 maart 2024 om 10:30", "2024-03-05T10:30:00Z"),
        ("pl", "5 marca 2024 r., godz. 10:30", "2024-03-05T10:30:00Z"),
        ("pt", "5 de março de 2024 às 10h30", "2024-03-05T10:30:00Z"),
        ("ro", "5 martie 2024, ora 10:30", "2024-03-05T10:30:00Z"),
        ("ru", "5 октября 2026 г. в 14:30", "2026-10-05T14:30:00Z"),
        ("ru", "05.10.2026, 14:30 (МСК)", "2026-10-05T11:30:00Z+180"),
        ("sv", "5 mars 2024 kl 10.30", "2024-03-05T10:30:00Z"),
        ("th", "27 ตุลาคม 2569", "2026-10-27"),
        ("th", "27 ต.ค. 2569 เวลา 10.30 น.", "2026-10-27T10:30:00Z"),
        ("tr", "5 Mart 2024 Salı, 10:30", "2024-03-05T10:30:00Z"),
        ("uk", "5 березня 2024, 10:30", "2024-03-05T10:30:00Z"),
        ("ur", "5 مارچ 2024", "2024-03-05"),
        ("vi", "Thứ ba, ngày 5 tháng 3 năm 2024 10:30", "2024-03-05T10:30:00Z"),
        ("vi", "5/3/2024, 10:30 (GMT+7)", "2024-03-05T03:30:00Z+420"),
        ("zh", "2026年10月27日星期二 13:18", "2026-10-27T13:18:00Z"),
        ("zh", "2026年10月27日下午3时18分", "2026-10-27T15:18:00Z"),
    ]);
}

#[test]
fn the_order_of_day_and_month_follows_language_and_region() {
    check(&[
        ("en", "03/05/2024", "2024-03-05"),
        ("en-US", "03/05/2024", "2024-03-05"),
        ("en-GB", "05/03/2024", "2024-03-05"),
        ("en_IN", "05/03/2024", "2024-03-05"),
        ("en", "25/03/2024", "2024-03-25"),
        ("es", "03/25/2024", "2024-03-25"),
        ("fr-FR", "05/03/2024", "2024-03-05"),
        ("en", "05.03.2024", "2024-03-05"),
    ]);
    assert!(!Locale::new("en", "herald.co.uk").month_first);
}

#[test]
fn what_is_no_date_is_not_read() {
    for text in [
        "0000-01-01",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "Thu Jan 01 1970 01:00:00 GMT+0100",
        "2099-01-01",
        "99999-01-01",
        "2024-13-45",
        "2022-02-112024-03-05",
        "tomorrow",
        "",
        "12",
        "March 2024",
        "0",
        "1.2.3",
        "192.168.10.20",
        "4-3-2 formation",
    ] {
        assert_eq!(read(text, "en"), "none", "{text}");
    }
}

#[test]
fn lines_of_nothing_but_dates_are_recognized() {
    for line in [
        "Updated June 5, 2024 at 10:30 AM EDT",
        "October 23, 2026",
        "Published: 27 October 2026",
        "Published Jun 05, 2026 • 3 minute read",
        "1 day ago",
        "5:50 pm CET",
        "2026-02-14T16:15:30Z",
        "Aktualisiert am 28. Oktober 2026, 20:22 Uhr",
        "Stand: 28.10.2026 16:11 Uhr",
        "vor 3 Stunden",
        "28.10.2026 | 17:52 Uhr",
        "Publié le 27 octobre 2026 à 18h05, mis à jour le 28 octobre 2026 à 9h00",
        "Publicado el 5 de marzo de 2024 a las 10:30 h.",
        "hace 3 horas",
        "Pubblicato il 5 marzo 2024 alle ore 10:30",
        "Publicado em 5 de março de 2024 às 10h30",
        "Опубликовано: 5 октября 2026 г. в 14:30",
        "5 минут назад",
        "نشر في: 27 أكتوبر 2026",
        "תאריך פרסום: 5 במרץ 2024",
        "Δημοσιεύτηκε: 5 Μαρτίου 2024",
        "Yayınlanma: 5 Mart 2024 10:30 | Son Güncelleme: 6 Mart 2024 11:00",
        "Opublikowano: 5 marca 2024, godz. 10:30",
        "Julkaistu 5.3.2024 klo 10.30",
        "Publisert torsdag 08. oktober 2026 - 13:26",
        "Thứ ba, ngày 5 tháng 3 năm 2024",
        "เผยแพร่: 27 ต.ค. 2569 10:30 น.",
        "2026-10-27 13:18:05 来源：埃勒里先驱报",
        "更新日：2024年3月5日 10時30分",
        "입력 2024.03.05 10:30 수정 2024.03.05 11:00",
        "Հրապարակվել է 05 մարտի, 2024 | 10:30",
        "تاریخ انتشار: ۵ آبان ۱۴۰۵ - ۱۰:۳۰",
    ] {
        assert!(is_date_line(line), "{line}");
    }
    for line in [
        "On June 5, 2024 the ferry sank.",
        "5 ferries in 3 days",
        "Ferries to leave at 10:30",
        "The board met on 5 March 2024",
        "Part 3",
        "Min dag",
        "2024",
        "Today",
        "Der Hafenrat tagt am 5. März 2024",
        "埃勒里港市议会2026年10月27日决定疏浚航道",
    ] {
        assert!(!is_date_line(line), "{line}");
    }
}

#[test]
fn urls_have_dates() {
    for (url, day) in [
        ("https://herald.example/2024/06/05/ferry", Some("2024-06-05")),
        ("https://herald.example/2024/6/5/ferry", Some("2024-06-05")),
        ("https://herald.example/news/2024-06-05-ferry", Some("2024-06-05")),
        ("https://herald.example/news/ferry-2024-06-05.html", Some("2024-06-05")),
        ("https://herald.example/world/20240605/c_1125327450.htm", Some("2024-06-05")),
        ("https://herald.example/article/2024/jun/05/ferry", Some("2024-06-05")),
        ("https://herald.example/n1/2024/0605/c1001-321.html", Some("2024-06-05")),
        ("https://herald.example/202406/t20240605_123.shtml", Some("2024-06-05")),
        ("https://herald.example/2024-06/05/c_1126702.htm", Some("2024-06-05")),
        ("https://herald.example/123456789012", None),
        ("https://herald.example/20241305/x", None),
        ("https://herald.example/a?d=2024-06-05", None),
        ("https://herald.example/2024/06/ferry", None),
    ] {
        let found = in_url(url).map(|stated| stated.time.to_string()[..10].to_owned());
        assert_eq!(found.as_deref(), day, "{url}");
    }
}

#[test]
fn the_last_label_names_a_date() {
    for (text, expected) in [
        ("Published: ", Some(Label::Published)),
        ("Last updated on", Some(Label::Updated)),
        ("Mis en ligne le", Some(Label::Published)),
        ("mis à jour le", Some(Label::Updated)),
        ("Последнее обновление:", Some(Label::Updated)),
        ("更新于", Some(Label::Updated)),
        ("By Ida Quill", None),
    ] {
        assert_eq!(label(text), expected, "{text}");
    }
}

#[test]
fn forms_of_machines_and_of_other_eras() {
    for (text, language, expected) in [
        ("/Date(1793634269000)/", "en", Some("2026-11-02T15:44:29Z")),
        ("20261102154429", "en", Some("2026-11-02T15:44:29Z")),
        ("202611021544", "en", Some("2026-11-02T15:44:00Z")),
        ("令和8年11月2日", "ja", Some("2026-11-02T00:00:00Z")),
        ("民國115年11月2日", "zh", Some("2026-11-02T00:00:00Z")),
        ("2 تشرين الثاني 2026", "ar", Some("2026-11-02T00:00:00Z")),
        ("П'ятниця, 5 червня 2026", "uk", Some("2026-06-05T00:00:00Z")),
        ("Publicado em 2 de novembro de 2026 às 10h24", "pt", Some("2026-11-02T10:24:00Z")),
        ("10:24-2 November 2026", "en", Some("2026-11-02T10:24:00Z")),
        ("10:24, 02 ное 26", "bg", Some("2026-11-02T10:24:00Z")),
        ("1899-12-30T00:00:00Z", "en", None),
        ("1900-01-01T00:00:00Z", "en", None),
        ("Tel. 01.02.2026.33", "de", None),
    ] {
        let found = parse(text, Locale::new(language, "")).map(|stated| stated.time.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    for line in
        ["П'ятниця, 5 червня 2026", "an hour ago", "منذ ساعتين", "för 2 timmar sedan", "Haber Girişi: 5 Haziran 2026"]
    {
        assert!(is_date_line(line), "{line}");
    }
}
