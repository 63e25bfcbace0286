use super::*;

#[test]
fn bylines_become_names() {
    for (byline, names) in [
        ("By Jane Doe and John P. Roe, Staff Writers", &["Jane Doe", "John P. Roe"][..]),
        ("JANE DOE", &["Jane Doe"]),
        ("By Jane Doe for The Ellery Herald | Reuters", &["Jane Doe"]),
        ("Von Anna Berg und Paul Stein", &["Anna Berg", "Paul Stein"]),
        ("Par Anne Dubois et Luc Morel", &["Anne Dubois", "Luc Morel"]),
        ("Tove Bak Lund og Kaj Strand-Holm", &["Tove Bak Lund", "Kaj Strand-Holm"]),
        ("Av Anna Berg och Nils Ek", &["Anna Berg", "Nils Ek"]),
        ("Por Ana Gil y Luis Vega", &["Ana Gil", "Luis Vega"]),
        ("José Ortega y Gasset", &["José Ortega y Gasset"]),
        ("Автор: Олег Лунин и Пётр Зорин", &["Олег Лунин", "Пётр Зорин"]),
        ("Jan Nowak i Ewa Lis", &["Jan Nowak", "Ewa Lis"]),
        ("文・山田太郎、佐藤花子", &["山田太郎", "佐藤花子"]),
        ("山田太郎 フォロー", &["山田太郎"]),
        ("アイダ・クイル", &["アイダ・クイル"]),
        ("记者 王小明", &["王小明"]),
        ("김철수 기자", &["김철수"]),
        ("Anna Berg, Redakteurin", &["Anna Berg"]),
        ("Jane Doe, Europe Correspondent", &["Jane Doe"]),
        ("Environment Correspondent Jane Doe in Port Ellery", &["Jane Doe"]),
        ("Jane Doe, MD, Ph.D.; John Roe, CFP®", &["Jane Doe", "John Roe"]),
        ("Jörg Müller-Lüdenscheidt", &["Jörg Müller-Lüdenscheidt"]),
        ("Ludwig van der Berg", &["Ludwig van der Berg"]),
        ("By\nJane\nDoe\nFollow", &["Jane Doe"]),
        ("Lena Falk\nHead of Harbour Research", &["Lena Falk"]),
        ("Nora Vane\nEmail the author\nnvane@herald.example", &["Nora Vane"]),
        ("Jane Doe Nov 2, 2026", &["Jane Doe"]),
        ("Jane Doe\n20 minutes ago", &["Jane Doe"]),
        ("بقلم ليلى حداد", &["ليلى حداد"]),
    ] {
        assert_eq!(split(byline, &["Ellery Herald"]), names, "{byline}");
    }
}

#[test]
fn others_are_no_authors() {
    for nobody in [
        "Staff",
        "https://herald.example/jane",
        "Ellery Herald",
        "admin",
        "Reuters",
        "By Newsroom Staff",
        "Foto: Nils Roe",
        "Photo by Nils Roe",
        "Skip to content",
        "20 minutes ago",
        "Read more",
        "{{author.name}}",
        "Edited by Ann Poe",
        "责编：李华",
    ] {
        assert!(split(nobody, &["Ellery Herald"]).is_empty(), "{nobody}: {:?}", split(nobody, &[]));
    }
}

#[test]
fn agencies_groups_and_the_publisher_keep_their_kind() {
    for (byline, kind) in [
        ("dpa", CreditKind::Agency("dpa")),
        ("Podium Staff", CreditKind::Group),
        ("The Ellery Herald", CreditKind::House),
        ("harbourfan", CreditKind::Handle),
    ] {
        let kinds: Vec<CreditKind> = parse(byline, &["Ellery Herald"]).credits.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [kind], "{byline}");
    }
}

#[test]
fn sentences_are_no_bylines() {
    for byline in ["By Jane Doe", "Von Anna Berg, dpa", "By Jane Doe, Staff Writer", "Автор: Олег Лунин", "Por Ana Gil"]
    {
        assert!(is_byline(byline, &[]), "{byline}");
    }
    for sentence in [
        "By the sea, patience runs out",
        "By Monday, Ida Quill had won",
        "Von hier aus sieht man den Hafen",
        "Par ailleurs, le port reste fermé",
        "Di notte il porto dorme",
        "By and large",
    ] {
        assert!(!is_byline(sentence, &[]), "{sentence}: {:?}", parse(sentence, &[]));
    }
}
