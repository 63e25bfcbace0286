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
        ("أحمد علي وسارة حسن", &["أحمد علي", "سارة حسن"]),
        ("דנה לוי ויוסי כהן", &["דנה לוי", "יוסי כהן"]),
        ("作者：王小明 李华", &["王小明", "李华"]),
        ("撰文：王小明 编辑：李华", &["王小明"]),
        ("執筆：山田太郎", &["山田太郎"]),
        ("【山田太郎】", &["山田太郎"]),
        ("김철수, 이영희 기자", &["김철수", "이영희"]),
        ("글 김철수 사진 이영희", &["김철수"]),
        ("포트엘러리=김철수 특파원", &["김철수"]),
        ("Jane Doe dpa", &["Jane Doe"]),
        ("By JANE DOE, JOHN ROE and ANN POE Associated Press", &["Jane Doe", "John Roe", "Ann Poe"]),
        ("Jeanne Dupont et AFP", &["Jeanne Dupont"]),
        ("Par Jeanne Dupont Publié le 2 novembre 2026", &["Jeanne Dupont"]),
        ("By Jane Doe Staff Writer Nov 2, 2026 Comments", &["Jane Doe"]),
        ("Von Anna Berg und Paul Stein, Lowmouth", &["Anna Berg", "Paul Stein"]),
        ("Anna Berg (Text) und Paul Stein (Fotos)", &["Anna Berg"]),
        ("Words by Jane Doe Photography by Nils Roe", &["Jane Doe"]),
        ("jane@herald.example (Jane Doe)", &["Jane Doe"]),
        ("Jan van den Berg", &["Jan van den Berg"]),
        ("Anna De Rossi - 2 novembre 2026", &["Anna De Rossi"]),
        ("Sam al-Doe", &["Sam al-Doe"]),
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
        "Redaktion",
        "The Lowmouth Post",
        "Reuters Staff",
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
        ("Herald Staff", CreditKind::House),
        ("AFP Staff", CreditKind::Agency("AFP")),
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
