//! Names of the features of a block, in their order.

use super::class_words::{GROUP_NAMES, GROUPS};
use super::place::BITS;

/// Names of the features that are neither bits of the tags around a block nor distances to class words.
const OTHERS: [&str; 98] = [
    "chars",
    "words",
    "link_density",
    "digits",
    "capitals",
    "commas",
    "stops",
    "marks",
    "quotes",
    "emphasis",
    "ends_sentence",
    "ends_colon",
    "starts_small",
    "is_prose",
    "kind",
    "level",
    "repeats",
    "shingles_in_structured",
    "has_structured",
    "shingles_in_summary",
    "shingles_in_headline",
    "is_headline",
    "phrase",
    "is_teaser_heading",
    "depth",
    "own_tag",
    "inline_text",
    "inline_noise",
    "position",
    "chars_before",
    "chars_after",
    "after_headline",
    "headline_known",
    "prev_chars",
    "prev_links",
    "prev_prose",
    "prev_kind",
    "prev_same",
    "next_chars",
    "next_links",
    "next_prose",
    "next_kind",
    "next_same",
    "window_prose",
    "window_links",
    "window_lines",
    "prose_distance_before",
    "prose_distance_after",
    "heading_distance",
    "heading_level",
    "heading_teaser",
    "heading_links",
    "own_lines",
    "own_links",
    "own_prose",
    "parent_lines",
    "parent_links",
    "parent_prose",
    "parent_share",
    "grand_lines",
    "grand_links",
    "grand_prose",
    "grand_share",
    "path_lines",
    "path_links",
    "path_prose",
    "path_share",
    "path_mean",
    "siblings_prose",
    "siblings_share",
    "in_main",
    "above_main",
    "in_wide_main",
    "below_wide_main",
    "page_lines",
    "page_prose",
    "page_prose_share",
    "object_before",
    "common_with_prose",
    "in_candidate",
    "levels_to_candidate",
    "candidate_chars",
    "candidate_share",
    "own_points",
    "parent_points",
    "grand_points",
    "great_points",
    "below_candidate",
    "is_unlikely",
    "in_joined",
    "beside_joined",
    "joined_distance",
    "items",
    "items_prose",
    "levels_to_first",
    "in_common_path",
    "comments_distance",
    "likely_share",
];
/// Number of features.
pub(super) const COUNT: usize = OTHERS.len() + BITS + GROUPS;

/// Names of all features.
pub(crate) const NAMES: [&str; COUNT] = names();

const fn names() -> [&'static str; COUNT] {
    let bits: [&str; BITS] = [
        "in_article",
        "in_main_tag",
        "in_aside",
        "in_nav",
        "in_footer",
        "in_header",
        "in_form",
        "in_figure",
        "in_li",
        "in_table",
        "in_section",
        "in_p",
        "in_div",
        "in_dl",
        "in_figcaption",
        "in_button",
        "in_blockquote",
        "in_address",
        "in_details",
        "in_heading",
        "is_hidden",
        "in_marked_body",
        "in_marked_item",
        "in_complementary",
    ];
    let mut names = [""; COUNT];
    let mut at = 0;
    while at < COUNT {
        names[at] = if at < OTHERS.len() {
            OTHERS[at]
        } else if at < OTHERS.len() + BITS {
            bits[at - OTHERS.len()]
        } else {
            GROUP_NAMES[at - OTHERS.len() - BITS]
        };
        at += 1;
    }
    names
}
