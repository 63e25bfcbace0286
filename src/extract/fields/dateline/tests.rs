//! Tests of datelines.

use super::*;

fn taken(paragraph: &str) -> (Option<String>, Draft) {
    let mut draft = Draft::default();
    let rest = take(paragraph, &mut draft, &mut Report::default());
    (rest, draft)
}

const REPORT: &str = "The ferry company will cut its winter crossings by half, its owner told reporters on Monday.";

#[test]
fn datelines_of_agencies() {
    for (dateline, place, agency) in [
        ("LONDON, June 5 (Reuters) - ", "LONDON", "Reuters"),
        ("PORT ELLERY, Maine (AP) — ", "PORT ELLERY, Maine", "AP"),
        ("PORT ELLERY, Pa. (AP) _ ", "PORT ELLERY, Pa.", "AP"),
        ("MOSCOW, June 5. /TASS/. ", "MOSCOW", "TASS"),
        ("Paris (AFP) – ", "Paris", "AFP"),
        ("WASHINGTON -- ", "WASHINGTON", ""),
        ("PORT ELLERY, Nov. 2 (Xinhua) -- ", "PORT ELLERY", "Xinhua"),
        ("Port Ellery (dpa/lno) - ", "Port Ellery", "dpa"),
        ("Port Ellery, 2 nov (EFE).- ", "Port Ellery", "EFE"),
        ("Port Ellery, Nov 2 (PTI) ", "Port Ellery", "PTI"),
        ("(ANSA) - PORT ELLERY, 02 NOV - ", "PORT ELLERY", "ANSA"),
        ("(Reuters) - ", "", "Reuters"),
        ("ПОРТ-ЭЛЛЕРИ, 2 ноя - РИА Новости. ", "ПОРТ-ЭЛЛЕРИ", "RIA Novosti"),
        ("Порт-Эллери. 2 ноября. ИНТЕРФАКС - ", "Порт-Эллери", "Interfax"),
        ("Port Ellery, Nov. 2 — ", "Port Ellery", ""),
        ("(AGI) - Port Ellery, 2 nov. - ", "Port Ellery", "AGI"),
        ("ПОРТ-ЭЛЛЕРИ. 2 ноября. ИНТЕРФАКС - ", "ПОРТ-ЭЛЛЕРИ", "Interfax"),
        ("ПОРТ-ЭЛЛЕРИ, 2 ноября. /Укринформ/. ", "ПОРТ-ЭЛЛЕРИ", "Ukrinform"),
        ("بورت إليري (رويترز) - ", "بورت إليري", "Reuters"),
        ("新华社埃勒里港11月2日电 ", "埃勒里港", "Xinhua"),
        ("【埃勒里港11月2日电】", "埃勒里港", ""),
        ("【ポート・エラリー共同】", "ポート・エラリー", "Kyodo"),
        ("［ポート・エラリー　２日　ロイター］ - ", "ポート・エラリー", "Reuters"),
        ("(포트엘러리=연합뉴스) 김철수 기자 = ", "포트엘러리", "Yonhap"),
        ("Port Ellery (ANTARA) - ", "Port Ellery", "Antara"),
        ("Port Ellery (epd). ", "Port Ellery", "epd"),
        ("Port Ellery (KNA) ", "Port Ellery", "KNA"),
        ("Port Ellery [Ellery], November 2 (ANI): ", "Port Ellery", "ANI"),
        ("Roma, 2 nov. (askanews) - ", "Roma", "askanews"),
        ("Port Ellery.- ", "Port Ellery", ""),
        ("ST. JOHN’S, N.L. — ", "ST. JOHN’S, N.L.", ""),
        ("JAKARTA, HERALD.com - ", "JAKARTA", ""),
        ("КИЇВ. 2 листопада. УНН. ", "КИЇВ", "УНН"),
        ("ԵՐԵՎԱՆ, 2 ՆՈՅԵՄԲԵՐԻ, ԱՐՄԵՆՊՐԵՍ։ ", "ԵՐԵՎԱՆ", "Armenpress"),
        ("/ТАСС/. ", "", "TASS"),
        ("2 ноября, Минск /Корр. БЕЛТА/. ", "Минск", "BelTA"),
        ("ПОРТ-ЭЛЛЕРИ, 2 ноя — ПРАЙМ. ", "ПОРТ-ЭЛЛЕРИ", "ПРАЙМ"),
        ("بورت إليري في 2 نوفمبر / وام / ", "بورت إليري", "WAM"),
        ("بندر الری – ایرنا – ", "بندر الری", "IRNA"),
        ("本报埃勒里港11月2日电 ", "埃勒里港", ""),
        ("（埃勒里港2日讯）", "埃勒里港", ""),
        ("【埃勒里港訊】", "埃勒里港", ""),
        ("(中央社埃勒里港2日綜合外電報導)", "埃勒里港", "CNA"),
        ("【AFP＝時事】", "", "AFP"),
    ] {
        let (rest, draft) = taken(&format!("{dateline}{REPORT}"));
        assert_eq!(rest.as_deref(), Some(REPORT), "{dateline}");
        assert_eq!(
            (draft.dateline.unwrap_or_default().place.as_str(), draft.agency.as_str()),
            (place, agency),
            "{dateline}"
        );
    }
}

#[test]
fn reporters_in_datelines_are_authors() {
    for (dateline, author) in [
        ("新华社埃勒里港11月2日电（记者王小明）", "王小明"),
        ("(포트엘러리=연합뉴스) 김철수 기자 = ", "김철수"),
        ("[포트엘러리=뉴시스] 김철수 기자 = ", "김철수"),
        ("[엘러리신문 김철수 기자] ", "김철수"),
        ("（中央社記者王小明埃勒里港2日電）", "王小明"),
        ("本报讯（记者 王小明）", "王小明"),
        ("〔記者王小明／埃勒里港報導〕", "王小明"),
        ("[記者王小明埃勒里港報導]", "王小明"),
        ("【环球网报道 记者 王小明】", "王小明"),
        ("ПОРТ-ЭЛЛЕРИ, 2 ноября — РИА Новости, Олег Лунин. ", "Олег Лунин"),
    ] {
        let (rest, draft) = taken(&format!("{dateline}{REPORT}"));
        assert_eq!(rest.as_deref(), Some(REPORT), "{dateline}");
        let names: Vec<&str> = draft.authors.iter().map(|author| author.name.as_str()).collect();
        assert_eq!(names, [author], "{dateline}");
    }
}

#[test]
fn a_publisher_that_names_itself() {
    let (rest, draft) = taken(&format!("ElleryHerald.Net - {REPORT}"));
    assert_eq!((rest.as_deref(), draft.publisher.as_str()), (Some(REPORT), "ElleryHerald.Net"));
    assert_eq!(draft.dateline, None);
}

#[test]
fn sentences_with_dashes_stay() {
    for sentence in [
        "The owner – who asked not to be named – said that the winter crossings would be cut by half this year.",
        "Ellery Ferries - the larger of the two companies in the harbour - will cut its winter crossings by half.",
        "NATO – which has a base nearby – has not said a word about the channel, the mayor told reporters.",
        "NATO – The alliance has a base nearby. Ships of NATO have not used the channel, the mayor told reporters.",
        "COVID-19 – the disease that closed the port in 2020 – is back on two ships, the mayor told reporters.",
        "COVID-19 – Two ships are in quarantine at the quay of Port Ellery, the mayor told reporters.",
        "OPINION – The harbour is ours, and the board forgets it whenever a ferry company asks for a favour.",
        "IDA QUILL – the mayor who dredged – is to step down in May, the harbour council said on Monday.",
        "Reuters – which first told of the plan – said the board had no comment on the winter crossings.",
        "Booking.com – the site that most visitors to the coast use – has removed forty hotels this week.",
        "The Associated Press (AP) President John Roe spoke to the board about the winter crossings on Monday.",
        "S.A.- Las siglas no dicen nada a quienes viven de los barcos que cruzan el canal en invierno.",
        "港口讯号灯在星期一晚上熄灭，两艘渡轮在码头外等到天亮才靠岸，没有人受伤。",
        "據報導，市長將在五月辭職，港口委員會說冬季航班將減少一半，並且不再加開。",
        "The wire service (AP) said that the ferry company would cut its winter crossings by half this year.",
        "UN – the word was on every banner at the quay on Monday, and nobody could say who had painted it.",
    ] {
        assert_eq!(taken(sentence).0, None, "{sentence}");
    }
}
