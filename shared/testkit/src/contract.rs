//! The contracts of the ports: one suite per family, which every adapter passes.
//!
//! A test here is a function of a fixture; its name repeats what the port's documentation says.
//! [`table_contract!`](crate::table_contract) and [`channel_contract!`](crate::channel_contract)
//! make a `#[tokio::test]` of each for one kind of fixture.

pub mod activities;
pub mod aggregates;
pub mod catalog;
pub mod channel;
pub mod dead_letters;
pub mod effects;
pub mod guesses;
pub mod inventory;
pub mod keys;
pub mod ledger;
pub mod orders;
pub mod outbox;
pub mod sessions;
pub mod users;

mod fixture;

pub use fixture::{
    AccountStore, AggregateStore, Announced, ChannelFixture, TableFixture, moment, soon,
};

/// Makes a test of each function of the suites for tables. The argument is an async function that
/// makes a fresh fixture.
#[macro_export]
macro_rules! table_contract {
    ($fixture:path) => {
        $crate::contract_tests! { $fixture;
            aggregates {
                a_created_order_is_found_with_its_attempt_and_what_is_pending
                where_nothing_is_nothing_is_found
                an_order_that_is_there_is_never_changed_by_a_put
                of_twenty_attempts_at_once_one_creates_the_order
                a_fenced_attempt_creates_nothing_and_another_one_does
                a_fence_adds_to_those_before_it
                a_tombstone_is_no_order
                where_an_order_is_no_attempt_is_fenced
                of_a_fence_and_a_put_at_once_one_stands
                a_full_tombstone_takes_no_further_attempt
                a_change_is_stored_once_and_raises_the_revision
                of_twenty_changes_at_once_one_is_stored
                what_is_pending_comes_back_as_it_was_stored
                with_its_last_event_an_order_leaves_the_index
                what_becomes_pending_again_is_in_the_index_again
                what_is_due_comes_by_rank_and_then_the_earliest_first
                every_due_aggregate_comes_up_once_those_before_it_are_claimed
                of_twenty_claims_with_one_expectation_one_wins
                a_reservation_takes_stock_and_changes_every_order_or_nothing
                a_stock_that_is_too_small_is_reported_and_nothing_is_stored
                reservations_at_once_never_take_more_than_there_is
                the_largest_order_is_reserved_in_one_write
                what_no_transaction_holds_is_refused_for_good
                a_write_after_its_deadline_stores_nothing
                a_letter_is_recorded_with_the_end_of_its_event_or_not_at_all
                a_letter_of_a_message_that_is_nobodys_is_recorded_alone
                a_redriven_letter_goes_as_its_event_returns_and_that_happens_once
            }
            orders {
                a_placed_order_is_found_as_it_was_stored
                an_order_that_is_not_there_is_none
                another_users_order_is_indistinguishable_from_none
                a_placement_stores_the_event_and_the_attempts_committed_record
                a_second_try_of_an_attempt_is_done_or_reports_the_records_of_its_own_making
                a_live_record_of_the_key_is_reported_and_nothing_is_stored
                a_record_of_the_key_that_is_expired_at_now_is_replaced
                a_fenced_attempt_is_cancelled_and_nothing_is_stored
                an_order_or_an_event_that_is_there_already_is_reported
                a_record_is_told_until_it_expires_and_to_its_user_alone
                a_try_after_its_deadline_stores_nothing
            }
            catalog {
                unknown_products_are_left_out
                it_is_not_remembered_that_a_product_is_unknown
                every_product_of_a_long_list_is_looked_up
            }
            ledger {
                an_attempt_without_a_record_has_no_state
                a_fence_stands_once
                a_fence_is_lost_when_the_attempt_has_a_record_already
                of_twenty_fences_at_once_one_stands
                of_a_fence_and_a_transaction_at_once_one_stands
                the_attempt_that_recorded_an_event_is_told
            }
            outbox {
                of_twenty_claims_with_one_expected_time_at_most_one_wins
                a_claim_moves_the_time_at_which_the_next_is_expected
                an_event_that_is_not_there_or_observed_can_not_be_claimed
                marking_an_event_published_twice_changes_nothing
            marking_an_event_published_leaves_another_attempts_mark
                what_is_due_is_told_the_earliest_first
                every_due_event_comes_up_once_those_before_it_are_claimed
                an_event_is_found_as_it_was_recorded_until_it_is_observed
                an_event_is_overdue_until_it_is_observed
                a_copy_is_found_whether_or_not_it_was_observed
                the_pages_tell_every_event_that_no_consumer_has_seen
            }
            dead_letters {
                a_letter_that_is_there_already_is_done
                a_buried_event_is_taken_out_of_what_the_sweep_looks_at
                an_event_that_the_outbox_does_not_hold_is_buried_all_the_same
                a_message_without_an_event_is_buried_by_its_own_id
                a_letter_is_found_as_it_was_buried
                of_a_long_body_at_least_the_beginning_is_kept
                the_pages_tell_every_letter
                a_redriven_event_is_the_sweeps_again_and_never_expires
                an_event_without_a_copy_gets_one_with_its_redrive
                a_redrive_forgets_the_observation_and_no_other_handlers_part
                a_second_try_of_a_redrive_finds_the_first
                a_letter_that_is_gone_is_not_redriven
                another_letter_of_the_same_event_stays
                of_ten_redrives_at_once_one_is_done
                a_letter_is_discarded_once
                a_removal_after_its_deadline_changes_nothing
            }
            effects {
                a_handler_has_done_its_part_once
                an_event_is_observed_once
                an_observation_is_refused_when_the_copy_is_not_there
                a_customer_is_told_once
                a_customer_is_told_of_each_event_in_the_order_of_the_events
                a_notification_is_refused_when_the_order_is_not_there
                of_ten_tries_of_one_effect_at_once_one_is_stored
            }
            inventory {
                a_reservation_takes_exactly_what_the_order_asks_for
                a_decision_is_stored_once
                without_enough_stock_nothing_is_stored
                a_product_that_is_not_there_is_short_of_stock
                a_rejection_takes_nothing_out_of_stock
                a_decision_is_refused_unless_the_order_is_created
                a_decision_stores_the_event_and_its_attempts_committed_record
                a_decision_keeps_what_the_customer_was_told
                reservations_at_once_never_take_more_than_there_is
                the_largest_order_is_reserved_in_one_transaction
            }
            users {
                a_registered_account_is_found_by_its_address_and_by_its_number
                an_address_is_one_accounts
                of_a_hundred_registrations_of_one_address_at_once_one_is_stored
                an_account_knows_the_source_that_it_was_registered_from
                all_sources_of_an_account_but_one_are_forgotten
                a_registration_stores_the_event_and_the_attempts_committed_record
                a_second_try_of_a_registration_is_done
                a_login_stores_the_account_the_session_and_its_event
                a_login_is_stale_when_the_account_was_changed_meanwhile
                a_second_try_of_a_login_is_done
                a_change_is_stored_once
                a_kept_session_belongs_to_the_accounts_new_epoch
                a_change_is_stale_when_the_kept_session_has_ended
                a_deleted_account_is_gone_with_its_address
                an_account_that_was_changed_is_not_deleted
                erased_traces_are_gone
                a_user_write_after_its_deadline_stores_nothing
            }
            sessions {
                a_token_is_found_with_its_session
                a_token_is_exchanged_once
                of_ten_exchanges_of_one_token_at_once_one_is_stored
                a_second_try_of_an_exchange_is_done
                a_token_of_a_session_that_has_ended_is_not_exchanged
                a_token_of_a_session_of_an_older_epoch_is_not_exchanged
                a_session_ends_once_and_with_one_activity
                what_nobody_was_given_is_none
            }
            activities {
                a_page_tells_the_newest_first_and_the_next_one_goes_on
                what_has_expired_is_not_told
                another_users_and_nobodys_activities_are_not_told
            }
            keys {
                a_key_is_found_by_its_name_as_it_was_stored
                a_name_that_is_no_keys_is_none
                a_key_is_stored_over_one_of_its_name
                what_is_published_is_every_key_that_still_verifies
            }
            guesses {
                guesses_are_replaced_if_they_are_as_expected
                of_ten_replacements_with_one_expectation_at_once_one_is_stored
                of_two_hundred_guesses_at_once_as_many_are_let_through_as_may_be
                a_source_is_known_of_its_account_alone_and_until_it_expires
            }
        }
    };
}

/// Makes a test of each function of the suite for the broker's ports. The first argument is an
/// async function that makes a fresh fixture, the second a function that runs a future to its end.
#[macro_export]
macro_rules! channel_contract {
    ($fixture:path, $run:path) => {
        $crate::channel_tests! { $fixture, $run;
            a_committed_half_message_is_delivered_until_it_is_acknowledged_and_no_longer
            a_half_message_that_is_rolled_back_is_never_delivered
            a_half_message_that_has_no_end_is_not_delivered
            a_message_comes_again_with_one_redelivery_more
            body_and_properties_arrive_as_they_were_sent
            each_commit_makes_a_visible_copy
            a_commit_after_a_rollback_makes_the_message_visible
            a_receiver_is_not_kept_beyond_its_deadline
            an_event_is_published_once_its_half_message_is_committed
            a_dead_letter_is_announced_with_its_body_and_why_it_was_given_up
            an_announcement_that_is_repeated_is_there_again
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
