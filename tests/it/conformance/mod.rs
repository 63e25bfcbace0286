//! The conformance suite of stores. Each engine, and each decorator of one, runs all of it.

mod batched_reads; // reads of single articles that share statements
mod copy_and_verify; // copies and verification of stores
pub mod databases; // replicas on one database, and transactions held open
mod embargo_and_expiry; // embargo and expiry of articles that come in again
pub mod engines; // engines and decorators under test
mod feed; // the feed, history and the clock
mod feed_trimming; // trimming of the feed, and its followers
mod files; // files of the embedded engine
pub mod fixtures; // invented articles, helpers to write and read
mod lists; // lists, lookups and their pages
mod model; // in-memory model of a store
mod outages; // databases that stop, stall, or lose data
pub mod random_histories; // random histories, against the model
mod replicated; // several replicas on one database
mod schemas; // the schema, and the role that creates it
mod search; // the search index
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
    copy_and_verify::what_was_written_is_found_sound,
    writes::a_request_is_answered_once,
    writes::a_request_that_changed_nothing_is_answered_alike,
    writes::the_same_page_does_not_undo_a_correction,
    writes::twins_are_told_apart,
    writes::preconditions_hold_or_nothing_is_written,
    writes::every_transition_is_as_documented,
    writes::writes_of_one_call_see_each_other,
    writes::a_refusal_stops_no_other_write,
    writes::a_rehearsal_leaves_no_trace,
    writes::a_write_whose_caller_left_is_done,
    writes::writes_of_many_callers_are_all_kept,
    writes::clocks_may_step_back,
    embargo_and_expiry::absence_keeps_the_times_that_stand,
    embargo_and_expiry::a_repeated_document_with_other_times_undoes_no_correction,
    embargo_and_expiry::what_an_editor_has_set_is_changed_by_editors_only,
    embargo_and_expiry::the_clock_changes_nothing_of_whose_a_field_is,
    embargo_and_expiry::hiding_what_is_readable_takes_authority,
    embargo_and_expiry::a_time_that_is_an_editors_is_no_takedown,
    embargo_and_expiry::a_time_that_contradicts_the_one_that_stands_is_refused,
    feed::corrections_carry_what_they_replaced,
    feed::what_happens_under_embargo_is_not_announced,
    feed::pulling_back_under_embargo_is_announced,
    feed::the_clock_opens_and_expires_once,
    feed::an_expiry_is_told_even_when_a_write_comes_first,
    feed::a_snapshot_and_what_came_after_make_the_present,
    feed::commits_wake_who_waits,
    lists::pages_stay_true_while_articles_arrive,
    lists::an_article_with_two_values_is_listed_once,
    lists::a_cursor_outlives_its_article,
    lists::a_page_is_of_one_moment,
    lists::the_readable_article_has_the_address,
    lists::an_address_follows_its_article,
    search::headlines_weigh_more,
    search::what_is_withdrawn_is_not_found,
    search::a_revised_text_is_found_by_its_new_words_only,
    search::the_index_and_the_query_agree,
    search::repetition_changes_no_score,
    search::scores_tell_nothing_of_what_is_hidden,
}
