//! Addresses are confirmed and changed, and passwords reset, with mailed tokens.

use std::time::Duration;

use application::deadline::Deadline;
use application::events::consume::{ConsumptionReport, Registry, Subscribed};
use application::events::send_mail::MAIL_EVENTS;
use application::operations::discard_dead_letter::DiscardError;
use application::outcome::FailureClass;
use application::ports::{ActivityOwner, Bearer, Clock, DeadLetter};
use application::users::ask_for_mail::{AskForMailError, Asking};
use application::users::current_password::ProtectedChangeError::WrongPassword as Wrong;
use application::users::redeem_mail::RedeemMailError;
use application::users::show_account::ShowAccountError;
use domain::account::{
    Account, ActivityKind, MAIL_REQUEST_LIFETIME, MAIL_TOKEN_LIFETIME, MailPurpose, PasswordFault,
};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use testkit::fault::{Fault, Operation};
use testkit::mailbox::MailFault;
use testkit::world::{MemorySendMail, World};

use super::{
    EMAIL, HOME, PASSWORD, WRONG, activity_kinds, delete, log_in, register, secret, soon, source,
    try_to_log_in, try_to_register,
};
use crate::operations::discard::discard;

const NEW: &str = "another-horse-battery-staple";
const OTHER: &str = "other@example.com";

fn world() -> World {
    World { sends_mails: true, ..World::default() }
}

fn asking() -> Asking {
    Asking { source: source(HOME), traceparent: None }
}

async fn ask_to_confirm(world: &World, bearer: Bearer) -> Result<(), AskForMailError> {
    world.ask_for_mail().confirmation(bearer, asking(), soon()).await
}

async fn ask_to_change(
    world: &World,
    bearer: Bearer,
    email: &str,
    password: &str,
) -> Result<(), AskForMailError> {
    world.ask_for_mail().change(bearer, email, secret(password), asking(), soon()).await
}

async fn ask_to_reset(world: &World, email: &str) -> Result<(), AskForMailError> {
    world.ask_for_mail().reset(email, asking(), soon()).await
}

async fn confirm(world: &World, token: &SecretString) -> Result<(), RedeemMailError> {
    world.redeem_mail().confirm_address(token, source(HOME), soon()).await
}

async fn reset(world: &World, token: &SecretString, new: &str) -> Result<(), RedeemMailError> {
    world.redeem_mail().reset_password(token, &secret(new), source(HOME), soon()).await
}

/// Publishes and handles everything that is pending.
async fn deliver(world: &World) -> ConsumptionReport {
    deliver_by(world, world.send_mail()).await
}

async fn deliver_by(world: &World, mails: MemorySendMail) -> ConsumptionReport {
    world.sweep_pending().run(Deadline::after(Duration::from_secs(30))).await;
    let registry = Registry::default().with(Subscribed::To(MAIL_EVENTS), mails);
    world.consume_pending(registry).run(Deadline::after(Duration::from_secs(60))).await
}

fn token(world: &World, to: &str) -> SecretString {
    world.mailbox.newest_token(to, MailPurpose::ConfirmAddress).unwrap()
}

fn changing(world: &World, to: &str) -> SecretString {
    world.mailbox.newest_token(to, MailPurpose::ChangeAddress).unwrap()
}

fn account(world: &World, account: &Account) -> Account {
    world.tables.account(account.user_id()).unwrap()
}

fn is_invalid(tried: &Result<(), RedeemMailError>) -> bool {
    matches!(tried, Err(RedeemMailError::Invalid(_)))
}

/// A token that was mailed to reset the demo user's password.
async fn reset_token(world: &World) -> SecretString {
    ask_to_reset(world, EMAIL).await.unwrap();
    deliver(world).await;
    world.mailbox.newest_token(EMAIL, MailPurpose::ResetPassword).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_registration_is_followed_by_a_mail_whose_token_confirms_the_address() {
    let world = world();
    let user = register(&world).await;
    assert!(!user.record().email_confirmed);
    deliver(&world).await;
    let sent = world.mailbox.sent();
    assert_eq!((sent.len(), sent[0].purpose), (1, MailPurpose::ConfirmAddress));
    assert_eq!(&sent[0].to, user.email());
    confirm(&world, &sent[0].token).await.unwrap();
    assert!(account(&world, &user).record().email_confirmed);
    assert!(activity_kinds(&world, &user).contains(&ActivityKind::EmailConfirmed));
    let (bearer, _) = log_in(&world).await;
    let again = ask_to_confirm(&world, bearer).await;
    assert!(matches!(again, Err(AskForMailError::AlreadyConfirmed)), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_sender_a_registration_asks_for_no_mail() {
    let world = World::default();
    register(&world).await;
    assert_eq!(deliver(&world).await.handled, 1);
    assert_eq!((world.tables.mails(), world.mailbox.sent().len()), (Vec::new(), 0));
}

/// The setting reaches the functions one after the other.
#[tokio::test(start_paused = true)]
async fn a_mail_waits_for_a_window_that_has_a_sender() {
    let world = world();
    register(&world).await;
    let without = || MemorySendMail { mailer: None, ..world.send_mail() };
    assert!(deliver_by(&world, without()).await.postponed > 0);
    assert!(world.mailbox.newest_token(EMAIL, MailPurpose::ConfirmAddress).is_none());

    tokio::time::sleep(Duration::from_secs(600)).await;
    deliver(&world).await;
    assert!(world.mailbox.newest_token(EMAIL, MailPurpose::ConfirmAddress).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_once_also_by_two_at_once() {
    let world = world();
    let user = register(&world).await;
    deliver(&world).await;
    let token = &token(&world, EMAIL);
    // Whoever asks again, because an answer was lost, learns that it is done.
    let tried = join_all((0..10).map(|_| confirm(&world, token))).await;
    assert!(tried.iter().all(Result::is_ok), "{tried:?}");
    confirm(&world, token).await.unwrap();
    assert_eq!(account(&world, &user).version(), user.version() + 1);
    let kinds = activity_kinds(&world, &user);
    let confirmed = kinds.iter().filter(|kind| **kind == ActivityKind::EmailConfirmed);
    assert_eq!(confirmed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_after_thirty_minutes() {
    let world = world();
    let user = register(&world).await;
    let other = try_to_register(&world, OTHER, PASSWORD).await.unwrap();
    let asked = world.clock.now();
    deliver(&world).await;
    let (in_time, late) = (token(&world, EMAIL), token(&world, OTHER));
    // A token counts from its mail, which was sent during the delivery.
    let sent = asked.plus(MAIL_TOKEN_LIFETIME)..=world.clock.now().plus(MAIL_TOKEN_LIFETIME);
    let expiry_of = |account: &Account| {
        let mut mails = world.tables.mails().into_iter();
        let mail = mails.find(|mail| mail.request.user_id == account.user_id()).unwrap();
        mail.token.unwrap().expires_at
    };
    let expiries = [expiry_of(&user), expiry_of(&other)];
    assert!(expiries.iter().all(|at| sent.contains(at)), "{expiries:?} {sent:?}");
    let last = Duration::from_millis(1);
    world.clock.advance(expiries[0].since(world.clock.now()) - last);
    confirm(&world, &in_time).await.unwrap();
    assert!(account(&world, &user).record().email_confirmed);
    world.clock.advance(expiries[1].since(world.clock.now()));
    assert!(is_invalid(&confirm(&world, &late).await));
    assert!(!account(&world, &other).record().email_confirmed);
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_token_or_names_another_request_is_refused_alike() {
    let world = world();
    register(&world).await;
    try_to_register(&world, OTHER, PASSWORD).await.unwrap();
    deliver(&world).await;
    let (own, others) = (token(&world, EMAIL), token(&world, OTHER));
    let (request, _) = own.expose_secret().split_once('.').unwrap();
    let (_, secret_of_other) = others.expose_secret().split_once('.').unwrap();
    for text in [
        String::new(),
        "token".to_owned(),
        request.to_owned(),
        format!("{request}."),
        format!("{request}.{secret_of_other}"),
        format!("01890a5d-ac96-774b-bcce-b302099a8057.{secret_of_other}"),
        format!("{} ", own.expose_secret()),
    ] {
        let tried = confirm(&world, &secret(&text)).await;
        assert!(is_invalid(&tried), "{text:?}: {tried:?}");
        let tried = reset(&world, &secret(&text), NEW).await;
        assert!(is_invalid(&tried), "{text:?}: {tried:?}");
    }
    confirm(&world, &own).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_for_its_purpose_alone() {
    let world = world();
    register(&world).await;
    deliver(&world).await;
    let confirmation = token(&world, EMAIL);
    let resetting = reset_token(&world).await;
    assert!(is_invalid(&reset(&world, &confirmation, NEW).await));
    assert!(is_invalid(&confirm(&world, &resetting).await));
    confirm(&world, &confirmation).await.unwrap();
    reset(&world, &resetting, NEW).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reset_sets_the_password_and_ends_all_sessions() {
    let world = world();
    let user = register(&world).await;
    let (bearer, refresh) = log_in(&world).await;
    let token = reset_token(&world).await;
    reset(&world, &token, NEW).await.unwrap();
    let over = world.show_account().execute(bearer).await.unwrap_err();
    assert!(matches!(over, ShowAccountError::SessionOver));
    assert!(world.refresh_session().execute(&refresh, source(HOME), soon()).await.is_err());
    assert!(try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.is_err());
    assert!(try_to_log_in(&world, EMAIL, NEW, HOME).await.is_ok());
    assert!(account(&world, &user).record().email_confirmed, "the mail went there");
    let kinds = activity_kinds(&world, &user);
    assert!(kinds.contains(&ActivityKind::PasswordResetRequested));
    assert!(kinds.contains(&ActivityKind::PasswordReset));
}

#[tokio::test(start_paused = true)]
async fn of_ten_resets_with_one_token_at_once_one_counts() {
    let world = world();
    let user = register(&world).await;
    let token = &reset_token(&world).await;
    let passwords: Vec<_> = (0..10).map(|number| format!("a new long password {number}")).collect();
    let tried = join_all(passwords.iter().map(|password| reset(&world, token, password))).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        passwords.iter().zip(&tried).partition(|(_, reset)| reset.is_ok());
    assert_eq!(won.len(), 1, "{tried:?}");
    assert!(lost.iter().all(|(_, refused)| is_invalid(refused)), "{tried:?}");
    assert_eq!(account(&world, &user).version(), user.version() + 1);
    assert!(try_to_log_in(&world, EMAIL, won[0].0, HOME).await.is_ok());
    assert!(try_to_log_in(&world, EMAIL, lost[0].0, HOME).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reset_whose_answer_was_lost_counts_for_its_own_password() {
    let world = world();
    register(&world).await;
    let token = reset_token(&world).await;
    world.tables.script(Operation::RedeemMail, [Fault::ReplyLost]);
    reset(&world, &token, NEW).await.unwrap();
    assert!(is_invalid(&reset(&world, &token, PASSWORD).await));
    assert!(try_to_log_in(&world, EMAIL, NEW, HOME).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_first_reset_makes_every_other_token_for_one_useless() {
    let world = world();
    register(&world).await;
    let (first, second) = (reset_token(&world).await, reset_token(&world).await);
    assert_ne!(first.expose_secret(), second.expose_secret());
    reset(&world, &first, NEW).await.unwrap();
    assert!(is_invalid(&reset(&world, &second, PASSWORD).await));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_not_allowed_leaves_the_token_good() {
    let world = world();
    register(&world).await;
    let token = reset_token(&world).await;
    let refused = reset(&world, &token, "too short").await;
    assert!(matches!(refused, Err(RedeemMailError::Password(PasswordFault::TooShort))));
    reset(&world, &token, NEW).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_address_without_an_account_costs_the_same_calls_and_no_mail_is_sent() {
    const COUNTED: [Operation; 6] = [
        Operation::FindGuesses,
        Operation::ReplaceGuesses,
        Operation::FindAccount,
        Operation::FindMail,
        Operation::AskForMail,
        Operation::RecordActivity,
    ];
    let world = World::default();
    register(&world).await;
    let calls = || COUNTED.map(|operation| world.tables.calls(operation));
    let mut costs = Vec::new();
    for email in [EMAIL, "nobody@example.com"] {
        let before = calls();
        ask_to_reset(&world, email).await.unwrap();
        let after = calls();
        costs.push(after.iter().zip(before).map(|(after, before)| after - before).collect());
    }
    let [known, unknown]: [Vec<u64>; 2] = costs.try_into().unwrap();
    assert_eq!(known, unknown);
    assert_eq!(known, [2, 2, 1, 0, 1, 0]);
    deliver(&world).await;
    let to: Vec<_> = world.mailbox.sent().iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(to, [testkit::samples::email(EMAIL)]);
    let nobody =
        |(owner, _): &(ActivityOwner, _)| matches!(owner, ActivityOwner::UnknownAddress(_));
    assert_eq!(world.tables.activities().iter().filter(|line| nobody(line)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn resets_have_to_wait_for_a_known_and_for_an_unknown_address_alike() {
    let world = world();
    register(&world).await;
    for email in [EMAIL, "nobody@example.com"] {
        for _ in 0..5 {
            ask_to_reset(&world, email).await.unwrap();
        }
        let refused = ask_to_reset(&world, email).await;
        assert!(matches!(refused, Err(AskForMailError::TooMany(_))), "{refused:?}");
    }
    for number in 0..18 {
        ask_to_reset(&world, &format!("user{number}@example.com")).await.unwrap();
    }
    let refused = ask_to_reset(&world, "another@example.com").await;
    assert!(matches!(refused, Err(AskForMailError::TooMany(_))), "the network: {refused:?}");
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_address_is_refused_before_anything_is_counted() {
    let world = world();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let before = world.tables.calls(Operation::ReplaceGuesses);
    let refused = ask_to_reset(&world, "no address").await;
    assert!(matches!(refused, Err(AskForMailError::Email(_))));
    let refused = ask_to_change(&world, bearer, "no address", PASSWORD).await;
    assert!(matches!(refused, Err(AskForMailError::Email(_))));
    assert_eq!(world.tables.calls(Operation::ReplaceGuesses), before);
}

#[tokio::test(start_paused = true)]
async fn a_changed_address_counts_once_it_is_confirmed() {
    let world = world();
    let user = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    ask_to_change(&world, bearer, OTHER, PASSWORD).await.unwrap();
    let waiting = account(&world, &user);
    assert_eq!(waiting.email(), user.email());
    assert_eq!(waiting.record().requested_email, Some(testkit::samples::email(OTHER)));
    assert!(try_to_log_in(&world, OTHER, PASSWORD, HOME).await.is_err());
    deliver(&world).await;
    confirm(&world, &changing(&world, OTHER)).await.unwrap();
    assert!(try_to_log_in(&world, OTHER, PASSWORD, HOME).await.is_ok());
    assert!(try_to_log_in(&world, EMAIL, PASSWORD, HOME).await.is_err());
    assert!(world.show_account().execute(bearer).await.is_ok(), "sessions stay");
    let kinds = activity_kinds(&world, &user);
    assert!(kinds.contains(&ActivityKind::EmailChangeRequested));
    assert!(kinds.contains(&ActivityKind::EmailChanged));
    try_to_register(&world, EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_address_is_not_changed_without_the_current_password() {
    let world = world();
    let user = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let refused = ask_to_change(&world, bearer, OTHER, WRONG).await;
    assert!(matches!(refused, Err(AskForMailError::Refused(Wrong))), "{refused:?}");
    assert_eq!(account(&world, &user).record().requested_email, None);
    assert!(activity_kinds(&world, &user).contains(&ActivityKind::EmailChangeFailed));
}

#[tokio::test(start_paused = true)]
async fn a_taken_address_is_answered_like_a_free_one_and_gets_no_mail() {
    let world = World::default();
    register(&world).await;
    try_to_register(&world, OTHER, PASSWORD).await.unwrap();
    let (bearer, _) = log_in(&world).await;
    ask_to_change(&world, bearer, OTHER, PASSWORD).await.unwrap();
    deliver(&world).await;
    assert_eq!(world.mailbox.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_taken_meanwhile_is_not_changed_to() {
    let world = World::default();
    let user = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    ask_to_change(&world, bearer, OTHER, PASSWORD).await.unwrap();
    deliver(&world).await;
    let other = try_to_register(&world, OTHER, PASSWORD).await.unwrap();
    assert!(is_invalid(&confirm(&world, &changing(&world, OTHER)).await));
    assert_eq!(account(&world, &user).email(), user.email());
    assert_eq!(account(&world, &other).email(), other.email());
}

#[tokio::test(start_paused = true)]
async fn a_request_for_the_accounts_own_address_withdraws_an_earlier_one() {
    let world = World::default();
    let user = register(&world).await;
    let (bearer, _) = log_in(&world).await;
    ask_to_change(&world, bearer, OTHER, PASSWORD).await.unwrap();
    deliver(&world).await;
    for _ in 0..2 {
        ask_to_change(&world, bearer, EMAIL, PASSWORD).await.unwrap();
    }
    assert_eq!(account(&world, &user).record().requested_email, None);
    assert!(is_invalid(&confirm(&world, &changing(&world, OTHER)).await));
    assert_eq!(world.mailbox.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_logged_in_asks_for_few_mails() {
    let world = world();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    for _ in 0..5 {
        ask_to_confirm(&world, bearer).await.unwrap();
    }
    let refused = ask_to_confirm(&world, bearer).await;
    assert!(matches!(refused, Err(AskForMailError::TooMany(_))), "{refused:?}");
    let refused = ask_to_change(&world, bearer, OTHER, PASSWORD).await;
    assert!(matches!(refused, Err(AskForMailError::TooMany(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_gets_no_mail_and_its_tokens_are_useless() {
    let world = world();
    register(&world).await;
    let (bearer, _) = log_in(&world).await;
    let resetting = reset_token(&world).await;
    let sent = world.mailbox.sent().len();
    ask_to_confirm(&world, bearer).await.unwrap();
    delete(&world, bearer, PASSWORD).await.unwrap();
    deliver(&world).await;
    assert_eq!(world.mailbox.sent().len(), sent);
    assert!(is_invalid(&reset(&world, &resetting, NEW).await));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_another_mail_is_sent_and_its_token_counts() {
    let world = world();
    let user = register(&world).await;
    world.mailbox.script([MailFault::ReplyLost, MailFault::Refused(FailureClass::Throttled)]);
    let report = deliver(&world).await;
    assert_eq!((report.handled, report.postponed), (2, 2), "{report:?}");
    let sent = world.mailbox.sent();
    assert_eq!(sent.len(), 2);
    assert!(is_invalid(&confirm(&world, &sent[0].token).await));
    confirm(&world, &sent[1].token).await.unwrap();
    assert!(account(&world, &user).record().email_confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_mark_is_not_stored_is_sent_again() {
    let world = world();
    register(&world).await;
    world.tables.script(Operation::IssueMailToken, [Fault::ReplyLost]);
    deliver(&world).await;
    assert_eq!(world.mailbox.sent().len(), 1, "no mail without a stored token");
    let stored = world.tables.mails()[0].clone();
    assert!(!stored.used && stored.token.is_some());
    confirm(&world, &token(&world, EMAIL)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_address_that_the_service_rejects_makes_no_dead_letter() {
    let world = world();
    register(&world).await;
    world.mailbox.script([MailFault::Rejected]);
    let report = deliver(&world).await;
    assert_eq!((report.handled, report.dead_lettered), (2, 0), "{report:?}");
    assert_eq!(world.mailbox.sent().len(), 0);
}

/// A service that never sends makes a dead letter.
async fn given_up_mail(world: &World) -> DeadLetter {
    register(world).await;
    world.mailbox.script([MailFault::Refused(FailureClass::Unavailable); 40]);
    for _ in 0..40 {
        deliver(world).await;
        world.clock.advance(Duration::from_secs(600));
    }
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_request_expires_once_its_dead_letter_is_discarded_and_not_before() {
    let world = world();
    let letter = given_up_mail(&world).await;
    let key = letter.aggregate.unwrap();
    assert_eq!(world.tables.expiry_of(key), None, "a redrive needs it");
    world.tables.script(Operation::RemoveLetter, [Fault::Busy, Fault::RequestLost]);
    assert_eq!(discard(&world).discard(&letter.id()).await.unwrap(), letter);
    assert_eq!(world.tables.dead_letters(), []);
    assert!(world.tables.expiry_of(key).is_some());
    let again = discard(&world).discard(&letter.id()).await.unwrap_err();
    assert!(matches!(again, DiscardError::NotFound), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_discard_of_a_mail_whose_answer_was_lost_is_not_guessed() {
    let world = world();
    let letter = given_up_mail(&world).await;
    world.tables.script(Operation::RemoveLetter, [Fault::ReplyLost]);
    let error = discard(&world).discard(&letter.id()).await.unwrap_err();
    assert!(matches!(error, DiscardError::Unknown(_)), "{error:?}");
    assert!(world.tables.expiry_of(letter.aggregate.unwrap()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_letter_of_a_mail_that_cannot_be_removed_stays_with_its_request() {
    let world = world();
    let letter = given_up_mail(&world).await;
    let unavailable = Fault::Refused(FailureClass::Unavailable);
    for operation in [Operation::FindAggregate, Operation::RemoveLetter] {
        world.tables.fail_every_call(operation, unavailable);
        let error = discard(&world).discard(&letter.id()).await.unwrap_err();
        assert!(matches!(error, DiscardError::Failed(_)), "{operation:?}: {error:?}");
        assert_eq!(world.tables.dead_letters(), std::slice::from_ref(&letter));
        assert_eq!(world.tables.expiry_of(letter.aggregate.unwrap()), None);
        world.tables.heal(operation);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_sends_makes_a_dead_letter_without_address_and_token() {
    let world = world();
    let letter = given_up_mail(&world).await;
    assert_eq!(letter.handler.as_deref(), Some("mail"));
    let shown = format!("{letter:?} {}", String::from_utf8_lossy(&letter.body));
    assert!(!shown.contains("demo@") && !shown.contains("refresh"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_comes_too_late_is_not_sent() {
    let world = world();
    register(&world).await;
    world.clock.advance(MAIL_REQUEST_LIFETIME);
    assert_eq!(deliver(&world).await.handled, 2);
    assert_eq!(world.mailbox.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_not_reported_as_done() {
    let world = world();
    register(&world).await;
    deliver(&world).await;
    let token = token(&world, EMAIL);
    let lost = Fault::RequestLost;
    world.tables.fail_every_call(Operation::RedeemMail, lost);
    let tried = confirm(&world, &token).await;
    assert!(matches!(tried, Err(RedeemMailError::Unavailable(_))), "{tried:?}");
    world.tables.heal(Operation::RedeemMail);
    world.tables.fail_every_call(Operation::AskForMail, lost);
    let refused = ask_to_reset(&world, EMAIL).await;
    assert!(matches!(refused, Err(AskForMailError::Refused(_))), "{refused:?}");
    world.tables.script(Operation::RedeemMail, [Fault::Busy, Fault::ReplyLost]);
    confirm(&world, &token).await.unwrap();
}
