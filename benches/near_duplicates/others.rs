//! Pairs that are no copies: other articles, articles with common paragraphs, and reports of one form.

use super::edits::beginning;
use super::{Pair, Random};

/// Number of pairs of each form.
const OF_FORM: usize = 400;
/// Number of other articles that an article is compared with.
const OTHER_ARTICLES: usize = 8;
/// Size of the own text of an article with template paragraphs, in bytes.
const OWN_BYTES: usize = 800;

const NAMES: [&str; 8] =
    ["Ida Quill", "Sam Orr", "Lena Voss", "Tom Hale", "Ruth Penn", "Carl Moor", "Eva Lind", "Nora Finch"];
const TOWNS: [&str; 8] =
    ["Port Ellery", "Lowmouth", "Harrow Bay", "Old Quay", "Stone Ferry", "Nether Wick", "Tarn Head", "Greyport"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Forms of reports: {n} is a number, {m} a large one, {t} a town, {p} a person, {d} a day, and {a|b} a choice.
const FORMS: [(&str, &str); 8] = [
    (
        "weather",
        "{t} will be {mostly cloudy|sunny|partly sunny|wet and windy} on {d}, with a high of {n} degrees and a \
         low of {n} degrees. Winds from the {south|west|north|east} will reach {n} kilometres an hour in the \
         afternoon, the coast service said. There is a {n} percent chance of rain. Sunrise is at {n}:{n} and \
         sunset at {n}:{n}. High water in the harbour is at {n}:{n}. The outlook for the following days is \
         {unsettled|fair|changeable}.",
    ),
    (
        "stocks",
        "Shares in Port Ellery {rose|fell} on {d}, with the Harbour 40 index closing {n}.{n} percent \
         {higher|lower} at {m}.{n} points. {p} Shipping gained {n}.{n} percent to {n}.{n} crowns, while \
         {Northern Dredging|Lowmouth Ferries|Coast Power} lost {n}.{n} percent. Turnover was {m} million crowns, \
         compared with {m} million on the previous trading day. The crown traded at {n}.{m} to the dollar. \
         Analysts said that investors were waiting for the central bank's decision on interest rates.",
    ),
    (
        "obituary",
        "{p}, {n}, of {t}, died on {d} at {home|the county hospital|St Brendan hospice}. Born in {t} in 19{n}, \
         {he|she} worked as a {teacher|pilot|nurse|welder} for {n} years. Survivors include {n} children and {n} \
         grandchildren. A service will be held at {n} o'clock on {d} at {St Mary church|the harbour chapel|the \
         old minster}, followed by burial at the town cemetery. Memorial donations may be made to {the lifeboat \
         fund|the hospice|the school library}. Arrangements are by {p} and Sons.",
    ),
    (
        "sports result",
        "{t} beat {t} {n}-{n} on {d} in front of {m} spectators. {p} scored in the {n}th minute and {p} added a \
         second after the break. The winners move up to {second|third|fourth|fifth} place in the league with {n} \
         points from {n} games, while the losers stay in {eighth|ninth|tenth|last} place. The next match is at \
         home against {t} on {d} at {n}:00.",
    ),
    (
        "lottery",
        "The winning numbers in the {d} draw of the Harbour Lottery are {n}, {n}, {n}, {n}, {n} and {n}, and the \
         bonus number is {n}. The jackpot was {n} million crowns. Tickets can be bought at all post offices and \
         at the ferry terminals until one hour before each draw. Players must be at least eighteen years old. \
         Prizes have to be claimed within ninety days with the original ticket at any office of the lottery, and \
         are paid without deductions. The lottery supports the lifeboats, the theatre of Port Ellery and the \
         schools of the district. The next draw is on {d}.",
    ),
    (
        "election",
        "Polls have closed in {t}. {p} of the {Harbour|Workers|Green|Civic} party won the seat with {m} votes, \
         ahead of {p} with {m} votes. Turnout was {n} percent. The returning officer announced the result at \
         {n}:{n} in the town hall. The seat was previously held by {p} with a majority of {m} votes.",
    ),
    (
        "weather, German",
        "Am {Montag|Dienstag|Mittwoch|Freitag} ist es in {t} {bewölkt|sonnig|regnerisch|neblig} bei Höchstwerten \
         von {n} Grad. In der Nacht sinken die Temperaturen auf {n} Grad. Der Wind weht {schwach|mäßig|frisch} \
         aus {Süd|West|Nord|Ost} mit bis zu {n} Kilometern pro Stunde. Die Regenwahrscheinlichkeit liegt bei {n} \
         Prozent, teilte der Küstendienst mit. Die Sonne geht um {n}.{n} Uhr auf und um {n}.{n} Uhr unter.",
    ),
    (
        "weather, Chinese",
        "港口气象台{周一|周二|周三|周五}发布天气预报，预计{明天|后天}白天{多云|晴|小雨|阴}，最高气温{n}摄氏度，夜间最低气温{n}摄氏度，{东|西|南|北}风{n}级，降水概率百分之{n}，\
         相对湿度百分之{n}。气象台提醒市民注意{防风|防雨|防晒|保暖}，出海船只请关注最新预报。",
    ),
];

pub fn pairs(bodies: &[Vec<String>], random: &mut Random) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut add = |kind: &str, texts: [String; 2]| pairs.push(Pair { kind: kind.to_owned(), is_copy: false, texts });
    for (number, body) in bodies.iter().enumerate() {
        for _ in 0..OTHER_ARTICLES {
            let other = random.below(bodies.len());
            if other != number && bodies[other][0] != body[0] {
                add("another article", [body.join("\n\n"), bodies[other].join("\n\n")]);
            }
        }
    }
    let long: Vec<&Vec<String>> = bodies.iter().filter(|body| body.len() >= 8 && !has_long_paragraph(body)).collect();
    for (number, pair) in long.windows(2).enumerate() {
        let template = long[(number * 7 + 3) % long.len()];
        if pair.iter().any(|body| body[0] == template[0]) || pair[0][0] == pair[1][0] {
            continue;
        }
        for percent in [25, 40, 50] {
            let with_template = |body: &[String]| {
                let own = beginning(body, OWN_BYTES);
                let bytes = own.iter().map(String::len).sum::<usize>() * percent / (100 - percent);
                let mut foot = beginning(template, bytes);
                // Not more than the share.
                foot.pop();
                [own, foot].concat().join("\n\n")
            };
            add(&format!("template at the foot, {percent} %"), [with_template(pair[0]), with_template(pair[1])]);
        }
        // Two reports of one event have the same quotes.
        let quotes = beginning(pair[0], pair[1].iter().map(String::len).sum::<usize>().min(4_000) / 4);
        add("same quotes", [pair[0].join("\n\n"), [quotes.as_slice(), pair[1]].concat().join("\n\n")]);
    }
    for (name, form) in FORMS {
        for _ in 0..OF_FORM {
            add(name, [filled(form, random), filled(form, random)]);
        }
    }
    pairs
}

fn has_long_paragraph(body: &[String]) -> bool {
    body.iter().any(|paragraph| paragraph.len() > OWN_BYTES)
}

fn filled(form: &str, random: &mut Random) -> String {
    let mut text = String::new();
    for part in form.split_inclusive('}') {
        let (fixed, field) = part.split_once('{').unwrap_or((part, ""));
        text.push_str(fixed);
        match field.trim_end_matches('}') {
            "" => {}
            "n" => text.push_str(&(1 + random.below(59)).to_string()),
            "m" => text.push_str(&(100 + random.below(9_000)).to_string()),
            "t" => text.push_str(random.of(&TOWNS)),
            "p" => text.push_str(random.of(&NAMES)),
            "d" => text.push_str(random.of(&DAYS)),
            choices => text.push_str(random.of(&choices.split('|').collect::<Vec<_>>())),
        }
    }
    text
}
