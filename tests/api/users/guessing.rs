//! Attackers guess passwords.

use futures::future::join_all;
use serde_json::json;

use super::{PASSWORD, Visitor, WRONG, new_email, without_instance};
use crate::app::{App, problem, with_app};

/// Wrong passwords that are verified without a wait, for one account from one network.
const FREE_OF_ACCOUNT: usize = 10;
const FREE_OF_SOURCE: usize = 30;

/// Sends 200 guesses at one account at once, from 20 networks. Returns how many were verified, and
/// how many had to wait.
pub(super) async fn guess_two_hundred_times(app: &App, email: &str) -> (usize, usize) {
    let attackers: Vec<_> = (0..20).map(|_| Visitor::new(app)).collect();
    let guesses = (0..200).map(|n| attackers[n % 20].try_to_log_in(email, WRONG));
    let (mut verified, mut refused) = (0, 0);
    for answer in join_all(guesses).await {
        match answer.status().as_u16() {
            401 => verified += 1,
            429 => {
                let wait = answer.headers()["retry-after"].to_str().unwrap();
                assert!((1..=30).contains(&wait.parse::<u64>().unwrap()), "{wait}");
                refused += 1;
            }
            status => panic!("{status}"),
        }
    }
    (verified, refused)
}

#[test]
fn of_two_hundred_guesses_at_once_ten_are_verified_and_the_owner_still_logs_in() {
    with_app(async |app| {
        let owner = Visitor::new(app);
        let email = new_email("owner");
        owner.register(&email).await;
        owner.log_in(&email).await;
        let guessed = guess_two_hundred_times(app, &email).await;
        assert_eq!(guessed, (FREE_OF_ACCOUNT, 200 - FREE_OF_ACCOUNT));
        // From a network that the account doesn't know, not even the owner can log in at the
        // moment; from a known network they can.
        assert_eq!(Visitor::new(app).try_to_log_in(&email, PASSWORD).await.status(), 429);
        owner.log_in(&email).await;
    });
}

#[test]
fn a_known_and_an_unknown_account_are_refused_byte_for_byte_alike() {
    with_app(async |app| {
        let visitor = Visitor::new(app);
        let (known, unknown) = (new_email("known"), new_email("unknown"));
        visitor.register(&known).await;
        let (one, other) = (Visitor::new(app), Visitor::new(app));
        for round in 0..12 {
            let (status, slug) = if round < FREE_OF_ACCOUNT {
                (401, "unauthorized")
            } else {
                (429, "too-many-requests")
            };
            let mut answers = Vec::new();
            for (visitor, email) in [(&one, &known), (&other, &unknown)] {
                let answer = visitor.try_to_log_in(email, WRONG).await;
                let mut headers: Vec<_> =
                    answer.headers().keys().map(|name| name.as_str().to_owned()).collect();
                headers.sort();
                let length = answer.content_length();
                answers.push((
                    headers,
                    length,
                    without_instance(problem(answer, status, slug).await),
                ));
            }
            assert_eq!(answers[0], answers[1], "{round}");
        }
    });
}

#[test]
fn a_network_that_stuffs_credentials_has_to_wait_whatever_its_headers_say() {
    with_app(async |app| {
        let attacker = Visitor::new(app);
        let mut verified = 0;
        for n in 0..60 {
            let request = attacker.request(reqwest::Method::POST, "/v1/users/login");
            let spoofed = format!("203.0.113.{n}");
            let answer = request
                .header("x-forwarded-for", &spoofed)
                .header("x-real-ip", &spoofed)
                .header("forwarded", format!("for={spoofed}"))
                .json(&json!({"email": new_email("stuffed"), "password": WRONG}))
                .send()
                .await
                .unwrap();
            match answer.status().as_u16() {
                401 => verified += 1,
                429 => {}
                status => panic!("{status}"),
            }
        }
        assert_eq!(verified, FREE_OF_SOURCE);
        // Nobody else is affected.
        let other = Visitor::new(app);
        let email = new_email("bystander");
        other.register(&email).await;
        other.log_in(&email).await;
    });
}
