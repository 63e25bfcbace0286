//! The conformance suite of stores. Each engine, and each decorator of one, runs all of it.

mod batched_reads; // reads of single articles that share statements
mod copies; // copies by their kind, and withdrawals that hold for them
mod copy_and_verify; // copies and verification of stores
pub mod databases; // replicas on one database, and transactions held open
mod embargo_and_expiry; // embargo and expiry of articles that come in again
pub mod engines; // engines and decorators under test
mod feed; // the feed, history and the clock
mod feed_trimming; // trimming of the feed, and its followers
mod files; // files of the embedded engine
mod filters; // every condition of filters, and limits of a page
pub mod fixtures; // invented articles, helpers to write and read
mod held_copies; // late copies that are stored as withdrawn
mod identity; // the article that a document belongs to, and the order of its documents
pub mod indexes; // search indexes of stores under test
mod ingest_events; // the journal of ingestion
mod lists; // lists, lookups and their pages
mod merges; // merges of articles into one
mod model; // in-memory model of a store
mod near_duplicates; // copies with edits, and their sketches
mod originals; // documents as received, and the revisions extracted from them
mod outages; // databases that stop, stall, or lose data
mod purge; // purged articles, and what is left of them
mod purged_files; // files and Redis entries that must not keep a purged text
pub mod random_histories; // random histories, against the model
mod reads; // counts of reads by hour
mod replicated; // several replicas on one database
mod schemas; // the schema, and the role that creates it
mod search; // the search index
mod search_model; // the search index, against the model
mod search_rebuilds; // search indexes that are lost, damaged, or of another store
mod search_snapshots; // snapshots of the search index
pub mod stories; // memberships of articles in stories
mod stories_model; // memberships, against a model
mod story_filters; // lists by story, and of one article of each story
mod writes; // cases of each kind of write

macro_rules! suite {
    ($($room:ident::$case:ident,)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::sqlite().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::sqlite()));
            }
        }
        mod cached {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::cached().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::cached()));
            }
        }
        mod postgres {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::postgres().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::postgres()));
            }
        }
        mod postgres_cached {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::postgres_cached().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::postgres_cached()));
            }
        }
        mod postgres_standby {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::postgres_standby().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::postgres_standby()));
            }
        }
        mod sqlite_redis {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::sqlite_redis().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::sqlite_redis()));
            }
        }
        mod sqlite_cluster {
            $(#[tokio::test] async fn $case() { super::$room::$case(super::engines::sqlite_cluster().await).await; })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::sqlite_cluster()));
            }
        }
        mod postgres_redis_cached {
            $(#[tokio::test] async fn $case() {
                super::$room::$case(super::engines::postgres_redis_cached().await).await;
            })*
            #[test] fn reads_equal_the_model() {
                super::random_histories::check(|| Box::pin(super::engines::postgres_redis_cached()));
            }
        }
    };
}

suite! {
    copy_and_verify::a_written_store_passes_verification,
    writes::requests_are_idempotent_by_id,
    writes::edits_are_idempotent_by_id,
    writes::a_repeated_request_without_changes_returns_the_same_response,
    writes::ingesting_the_same_page_keeps_a_correction,
    writes::a_copy_of_a_readable_article_is_a_duplicate,
    writes::a_failed_precondition_writes_nothing,
    writes::every_transition_is_as_documented,
    writes::writes_of_one_call_see_each_other,
    writes::a_rejected_write_stops_no_other_write,
    writes::a_dry_run_writes_nothing,
    writes::a_write_of_a_disconnected_caller_completes,
    writes::concurrent_writes_are_all_kept,
    writes::update_time_never_decreases_when_the_clock_steps_back,
    near_duplicates::edited_copies_of_a_readable_article_are_duplicates,
    near_duplicates::copies_of_an_unreadable_article_are_created,
    near_duplicates::a_revision_moves_the_sketch,
    near_duplicates::writes_of_one_call_see_each_others_texts,
    near_duplicates::many_copies_of_one_article_are_duplicates,
    near_duplicates::a_purge_removes_the_sketch,
    copies::copies_have_their_kind,
    copies::copies_are_paged_in_the_order_of_creation,
    copies::a_withdrawal_with_copies_holds_for_later_ones,
    copies::a_withdrawal_with_copies_holds_for_a_short_text_at_every_source,
    copies::writes_of_one_call_see_a_withdrawal_with_copies,
    held_copies::a_late_copy_is_held_until_it_is_reinstated,
    held_copies::a_short_text_is_held_at_every_source,
    held_copies::an_article_that_exists_is_not_held,
    held_copies::writes_of_one_call_are_held,
    held_copies::hundreds_of_copies_are_held,
    held_copies::an_article_that_was_withdrawn_before_it_arrived_is_held,
    held_copies::a_repeated_request_is_answered_as_held,
    ingest_events::the_newest_events_are_kept,
    originals::a_revision_has_its_document,
    originals::a_repeated_extraction_has_its_report,
    originals::the_oldest_are_removed_beyond_the_limits,
    originals::a_purge_removes_documents,
    originals::a_copy_has_the_documents,
    reads::reads_are_summed_by_hour,
    reads::reads_of_hidden_articles_are_left_out,
    reads::old_reads_are_removed,
    reads::a_purge_removes_reads,
    stories::a_new_store_is_grouped_until_the_start,
    stories::steps_are_applied_in_order_once,
    stories::members_are_numbered_by_their_changes,
    stories::merges_lead_to_the_last_heir,
    stories::merged_and_renumbered_members_get_new_numbers,
    stories::unknown_articles_are_left_out,
    stories::a_purge_empties_the_report,
    stories::a_copy_is_grouped_anew,
    stories_model::random_steps_equal_the_model,
    story_filters::the_articles_of_stories_are_found_by_every_name,
    story_filters::lists_select_by_story_and_one_of_each,
    identity::concurrent_documents_with_a_common_key_end_as_one_article,
    identity::a_shared_key_joins_no_different_texts,
    identity::a_kill_holds_for_every_key_and_the_exact_text,
    purge::everything_of_a_purged_article_is_erased,
    purge::a_purged_article_is_never_accepted_again,
    purge::a_purge_under_embargo_is_not_announced,
    purge::deleted_articles_are_found_by_age,
    identity::a_stale_document_changes_nothing,
    identity::any_order_of_arrival_ends_with_the_newest,
    merges::keys_move_to_the_article_that_stays,
    merges::a_merge_is_of_all_articles_or_none,
    merges::merges_are_followed_to_the_last_article,
    merges::writes_of_one_call_see_its_merges,
    embargo_and_expiry::unset_times_keep_the_current_ones,
    embargo_and_expiry::a_repeated_document_with_other_times_keeps_a_correction,
    embargo_and_expiry::fields_set_by_an_editor_are_changed_only_by_editors,
    embargo_and_expiry::due_transitions_keep_the_owner_of_a_field,
    embargo_and_expiry::hiding_a_readable_article_requires_authority,
    embargo_and_expiry::an_ignored_time_requires_no_authority,
    embargo_and_expiry::rejects_times_that_contradict_the_current_ones,
    feed::corrections_carry_the_previous_state,
    feed::changes_under_embargo_are_not_announced,
    feed::a_new_embargo_on_a_readable_article_is_announced,
    feed::due_transitions_are_applied_once,
    feed::an_expiry_is_announced_even_after_an_earlier_write,
    feed::a_snapshot_plus_later_changes_is_the_current_state,
    feed::commits_wake_subscribers,
    lists::pagination_neither_skips_nor_repeats_during_writes,
    lists::an_article_with_two_values_is_listed_once,
    lists::a_cursor_is_valid_after_its_article_is_withdrawn,
    lists::a_page_is_a_consistent_snapshot,
    lists::lookup_by_key_finds_every_key,
    lists::states_select_articles,
    filters::a_page_examines_a_limited_number_of_articles,
    search::headline_matches_score_higher,
    search::withdrawn_articles_are_not_found,
    search::a_late_index_shows_no_withdrawn_article,
    search::ids_with_a_long_common_beginning_are_paged,
    search::a_revised_text_is_found_by_its_new_words_only,
    search::the_index_and_the_query_tokenize_equally,
    search::repeated_query_terms_change_no_score,
    search::hidden_articles_do_not_affect_what_readers_see,
}
