//! The contracts of the ports: one suite for each group of ports, which every adapter passes.
//!
//! A test here is a function of a fixture; its name repeats a sentence of the port's documentation.
//! [`table_contract!`](crate::table_contract) and [`channel_contract!`](crate::channel_contract)
//! make a test of each function for one kind of fixture.

pub mod activities;
pub mod aggregate_reads;
pub mod aggregates;
pub mod catalog;
pub mod channel;
pub mod dead_letters;
pub mod guesses;
pub mod keys;
pub mod listing;
pub mod mails;
pub mod sessions;
pub mod user_events;
pub mod users;

mod fixture;
mod memory;

pub(crate) use aggregates::open_units;
pub use fixture::{
    AccountStore, AggregateReads, AggregateStore, Announced, ChannelFixture, OrderKeyStore,
    TableFixture, moment, soon,
};
pub use memory::MemoryFixture;

/// Makes a test of each function of the suites for tables. The argument is an async function that
/// makes a new fixture.
#[macro_export]
macro_rules! table_contract {
    ($fixture:path) => {
        $crate::contract_tests! { $fixture;
            aggregates {
                a_created_order_is_found_with_its_attempt_and_what_is_pending
                an_unused_key_holds_nothing
                another_users_order_looks_like_a_missing_one
                a_put_never_changes_a_stored_order
                of_twenty_attempts_at_once_one_creates_the_order
                a_fenced_attempt_creates_nothing_and_another_one_does
                a_fence_adds_to_those_before_it
                a_tombstone_is_no_order
                no_attempt_is_fenced_where_an_order_is_stored
                of_a_fence_and_a_put_at_once_one_is_stored
                a_full_tombstone_accepts_no_further_attempt
                a_change_is_stored_once_and_raises_the_revision
                of_twenty_changes_at_once_one_is_stored
                pending_events_are_read_as_they_were_stored
                an_order_leaves_the_index_with_its_last_event
                an_aggregate_returns_to_the_index_with_a_new_pending_event
                due_aggregates_are_listed_by_rank_and_then_the_earliest_first
                every_due_aggregate_comes_up_once_those_before_it_are_postponed
                of_twenty_claims_with_one_expectation_one_is_stored
                an_entry_is_postponed_if_it_is_where_it_was_seen
                a_reservation_takes_stock_and_changes_every_order_or_nothing
                a_stock_that_is_too_small_is_reported_and_nothing_is_stored
                reservations_at_once_never_take_more_than_there_is
                the_largest_order_is_reserved_in_one_write
                a_reservation_that_fits_no_transaction_is_refused_for_good
                open_units_are_counted_up_to_the_maximum_or_nothing_is_stored
                reservations_at_once_never_count_more_open_units_than_the_maximum
                a_cancelled_order_gives_its_open_units_back_once
                a_cancelled_order_gives_its_stock_back_once_or_nothing_is_stored
                returns_and_reservations_at_once_add_up
                a_product_that_is_not_in_the_catalog_gets_no_stock_back
                a_write_after_its_deadline_stores_nothing
                a_letter_is_recorded_with_the_end_of_its_event_or_not_at_all
                a_letter_without_an_aggregate_is_recorded_alone
                a_redriven_letter_goes_as_its_event_returns_and_that_happens_once
            }
            aggregate_reads {
                an_event_is_pending_since_its_own_time_wherever_the_sweep_has_moved_it
                the_pages_list_every_aggregate_with_pending_events
                the_segments_list_every_aggregate_once_and_no_tombstone
            }
            catalog {
                unknown_products_are_left_out
                an_unknown_product_is_not_cached
                every_product_of_a_long_list_is_looked_up
            }
            listing {
                orders_are_listed_the_newest_first_as_they_are_stored
                the_pages_list_every_order_once
                orders_of_one_millisecond_are_each_listed_once
                an_order_created_meanwhile_moves_no_page
                neither_tombstones_nor_other_users_orders_are_listed
                the_pages_list_every_product_once
                a_page_after_a_product_that_is_gone_is_read_all_the_same
            }
            dead_letters {
                a_stored_letter_with_the_same_id_is_replaced
                a_message_without_an_event_is_recorded_under_its_own_id
                a_message_may_have_any_name
                the_letter_of_a_message_replaces_no_letter_of_an_event
                a_letter_is_found_as_it_was_recorded
                at_least_the_beginning_of_a_long_body_is_kept
                the_pages_list_every_letter
                another_letter_of_the_same_event_is_kept
                a_letter_is_discarded_once
                a_removal_after_its_deadline_changes_nothing
            }
            users {
                a_registered_account_is_found_by_its_address_and_by_its_number
                an_address_is_kept_as_it_was_typed
                a_dotless_i_is_in_another_address
                an_address_belongs_to_one_account
                of_a_hundred_registrations_of_one_address_at_once_one_is_stored
                an_account_knows_the_source_that_it_was_registered_from
                all_sources_of_an_account_but_one_are_forgotten
                a_second_try_of_a_registration_meets_the_first
                a_login_stores_the_account_and_the_session
                a_login_is_stale_when_the_account_was_changed_meanwhile
                a_second_try_of_a_login_meets_the_first
                a_change_is_stored_once
                a_kept_session_belongs_to_the_accounts_new_epoch
                a_change_is_stale_when_the_kept_session_has_ended
                a_deleted_account_is_gone_with_its_address
                an_account_that_was_changed_is_not_deleted
                erased_traces_are_gone
                a_user_write_after_its_deadline_stores_nothing
            }
            user_events {
                the_events_of_an_account_and_a_session_are_pending_in_them
                users_are_due_immediately_and_only_among_users
                a_change_of_an_account_keeps_its_pending_events
                the_end_of_an_event_does_not_change_the_account
                a_session_expires_once_its_event_is_handled_and_not_before
                a_deleted_account_keeps_its_events_and_no_data_of_its_user
                a_deletion_is_due_immediately_whatever_else_is_pending
                a_letter_of_a_users_event_is_recorded_with_its_end
            }
            mails {
                a_request_is_found_as_it_was_stored_with_its_event_pending
                a_second_try_of_a_request_meets_the_first
                a_request_is_stored_with_the_change_of_its_account_or_not_at_all
                a_registration_stores_the_request_for_its_mail
                a_new_token_replaces_the_one_before_and_changes_no_event
                of_ten_tokens_for_one_revision_one_is_stored
                of_ten_uses_of_one_token_at_once_one_is_stored
                a_second_try_of_a_use_meets_the_first
                a_token_that_is_not_the_newest_is_not_used
                a_use_is_stale_when_the_account_was_changed_meanwhile
                a_new_address_belongs_to_the_account_and_the_former_one_is_free
                an_address_that_was_taken_meanwhile_is_not_stored
                a_request_expires_once_its_event_is_handled_and_not_before
                a_request_of_nobody_is_no_request
            }
            sessions {
                a_token_is_found_with_its_session
                a_token_is_exchanged_once
                every_exchange_of_an_account_is_counted
                a_login_and_a_change_leave_the_use_of_exchanges
                of_ten_exchanges_of_one_token_at_once_one_is_stored
                a_second_try_of_an_exchange_meets_the_first
                a_token_of_a_session_that_has_ended_is_not_exchanged
                a_token_of_a_session_of_an_older_epoch_is_not_exchanged
                a_session_ends_once_and_with_one_activity
                a_token_that_was_never_issued_is_not_found
            }
            activities {
                a_page_lists_the_newest_first_and_the_next_page_continues
                expired_activities_are_not_listed
                only_the_users_own_activities_are_listed
            }
            keys {
                a_key_is_found_by_its_name_as_it_was_stored
                an_unknown_key_name_is_not_found
                a_key_replaces_one_with_the_same_name
                every_key_that_still_verifies_is_published
            }
            guesses {
                guesses_are_replaced_if_they_are_as_expected
                of_ten_replacements_with_one_expectation_at_once_one_is_stored
                of_two_hundred_guesses_at_once_only_the_limit_is_admitted
                a_source_is_known_for_its_account_only_until_it_expires
            }
        }
    };
}

/// Makes a test of each function of the suite for the broker's ports. The first argument is an
/// async function that makes a new fixture, the second a function that runs a future to its end.
#[macro_export]
macro_rules! channel_contract {
    ($fixture:path, $run:path) => {
        $crate::channel_tests! { $fixture, $run;
            a_committed_half_message_is_delivered_until_it_is_acknowledged_and_no_longer
            a_half_message_that_is_rolled_back_is_never_delivered
            a_half_message_that_has_no_end_is_not_delivered
            each_new_delivery_counts_one_redelivery_more
            body_and_properties_arrive_as_they_were_sent
            each_commit_makes_a_visible_copy
            a_commit_after_a_rollback_makes_the_message_visible
            a_receiver_is_not_kept_beyond_its_deadline
            an_event_is_published_once_its_half_message_is_committed
            a_dead_letter_is_announced_with_its_body_and_why_it_was_given_up
            a_repeated_announcement_is_sent_again
        }
    };
}

/// One `#[tokio::test]` per name.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($fixture:path; $($suite:ident { $($test:ident)* })*) => {
        $(mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let fixture = $fixture().await;
                    $crate::contract::$suite::$test(&fixture).await;
                }
            )*
        })*
    };
}

/// One `#[test]` per name.
#[doc(hidden)]
#[macro_export]
macro_rules! channel_tests {
    ($fixture:path, $run:path; $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $run(async {
                    let fixture = $fixture().await;
                    $crate::contract::channel::$test(&fixture).await;
                });
            }
        )*
    };
}
