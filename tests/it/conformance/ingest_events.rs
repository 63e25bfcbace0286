//! The journal of ingestion.

use copydesk::store::MAX_EVENTS;

use super::engines::Engine;

/// Events of about the largest size.
fn event(number: i64) -> Vec<u8> {
    let mut event = number.to_be_bytes().to_vec();
    event.resize(64, 0);
    event
}

fn number(event: &[u8]) -> i64 {
    i64::from_be_bytes(event[..8].try_into().unwrap())
}

pub async fn the_newest_events_are_kept(Engine { store, .. }: Engine) {
    assert_eq!(store.events(None, 10).await.unwrap(), []);
    let count = MAX_EVENTS + 250;
    for batch in (0..count).collect::<Vec<_>>().chunks(700) {
        store.record_events(batch.iter().map(|number| event(*number)).collect()).await.unwrap();
    }
    let (mut before, mut found) = (None, Vec::new());
    loop {
        let page = store.events(before, 900).await.unwrap();
        assert!(page.is_sorted_by(|one, other| one.0 > other.0), "newest first");
        found.extend(page.iter().map(|(_, event)| number(event)));
        match page.last() {
            Some((key, _)) if page.len() == 900 => before = Some(*key),
            _ => break,
        }
    }
    assert_eq!(found, (250..count).rev().collect::<Vec<_>>());
}
