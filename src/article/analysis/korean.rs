//! Korean particles, which are written at the end of a word.

/// Particles, longer ones first.
const PARTICLES: [&str; 36] = [
    "에서부터",
    "으로부터",
    "에게서",
    "이라고",
    "에서는",
    "에서도",
    "까지는",
    "부터는",
    "으로는",
    "으로도",
    "에는",
    "에도",
    "에서",
    "에게",
    "한테",
    "으로",
    "부터",
    "까지",
    "처럼",
    "보다",
    "이나",
    "라고",
    "이며",
    "과의",
    "와의",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "도",
    "로",
    "와",
];
/// Minimum number of syllables that are left.
const MIN_SYLLABLES: usize = 2;

/// Returns a word without its particle; none if it has none.
pub(super) fn without_particle(word: &str) -> Option<&str> {
    let particles = PARTICLES.iter().chain(&["과", "만"]);
    particles.filter_map(|particle| word.strip_suffix(particle)).find(|rest| rest.chars().count() >= MIN_SYLLABLES)
}

/// Returns true for a composed syllable.
pub(super) fn is_syllable(character: char) -> bool {
    ('\u{AC00}'..='\u{D7A3}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_particle_is_dropped() {
        for (word, expected) in [
            ("서울에서", Some("서울")),
            ("항구도시의", Some("항구도시")),
            ("서울", None),
            ("나는", None),
            ("여객선에서는", Some("여객선")),
        ] {
            assert_eq!(without_particle(word), expected, "{word}");
        }
    }
}
