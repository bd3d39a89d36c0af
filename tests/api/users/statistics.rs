//! Figures that are reported without a limit, because they depend on the machine.

#![expect(clippy::print_stdout, reason = "a report")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use application::ports::{IdentitySource, PasswordHasher};
use futures::future::join_all;
use platform::identity::UuidIdentitySource;
use secrecy::SecretString;
use security::password::{Argon2idHasher, HashCost};
use serde_json::json;
use tokio::time::Instant;

use super::guessing::guess_two_hundred_times;
use super::hashes::put_hashed_at;
use super::mail::own_system;
use super::{PASSWORD, Visitor, WRONG, forgeries, new_email, register};
use crate::app::{App, options, with_own};
use crate::leaks;

/// Wrong passwords for one account: after one more, the next has to wait.
const GUESSES: usize = 9;
/// Together they get 1,008 guesses.
const ACCOUNTS: usize = 112;

#[test]
#[ignore = "minutes: run by `cargo xtask verify --full`"]
fn how_logins_look_from_outside() {
    with_own(async || {
        let mut options = options();
        // Twice the usual cost, so that some accounts have cheaper hashes than others.
        options.parameters.insert("Argon2Passes".to_owned(), "4".to_owned());
        let app = App::start(options).await;
        report_times(&app).await;
        report_guesses(&app).await;
        report_owner(&app).await;
        report_cost().await;
        app.system.stop().await;
    });
    with_own(async || {
        let app = App::start(crate::app::options()).await;
        report_stuffing(&app).await;
        report_times_of_orders(&app).await;
        app.system.stop().await;
    });
    with_own(async || {
        let app = App::start(crate::app::options()).await;
        report_throughput(&app).await;
        app.system.stop().await;
    });
    with_own(async || {
        let (app, _mailbox) = own_system().await;
        report_times_of_resets(&app).await;
        app.system.stop().await;
    });
    let searched = leaks::assert_none();
    println!("lines of log that hold a password, a token, an address or a hash: 0 of {searched}");
}

/// Times of refused logins to accounts that exist, that exist with an older and cheaper hash, and
/// that do not exist, in turn and in a changing order; then of logins that have to wait.
async fn report_times(app: &App) {
    let [mut unknown, mut known, mut outdated] = [Vec::new(), Vec::new(), Vec::new()];
    let [mut unknown_waits, mut known_waits] = [Vec::new(), Vec::new()];
    for round in 0..ACCOUNTS {
        let emails = [new_email("unknown"), new_email("known"), new_email("outdated")];
        Visitor::new(app).register(&emails[1]).await;
        // Hashed at exactly the recommended cost.
        put_hashed_at(app, &emails[2], HashCost::RECOMMENDED).await;
        let visitor = Visitor::new(app);
        for guess in 0..GUESSES {
            for turn in 0..3 {
                let which = (turn + guess + round) % 3;
                let started = Instant::now();
                let answer = visitor.try_to_log_in(&emails[which], WRONG).await;
                let took = started.elapsed().as_secs_f64() * 1e3;
                assert_eq!(answer.status(), 401);
                [&mut unknown, &mut known, &mut outdated][which].push(took);
            }
        }
        // The guess after which the next guesses from every network have to wait.
        for email in &emails[..2] {
            assert_eq!(visitor.try_to_log_in(email, WRONG).await.status(), 401);
        }
        let another = Visitor::new(app);
        for turn in 0..2 * GUESSES {
            let which = (turn + round) % 2;
            let started = Instant::now();
            let answer = another.try_to_log_in(&emails[which], WRONG).await;
            let took = started.elapsed().as_secs_f64() * 1e3;
            assert_eq!(answer.status(), 429);
            [&mut unknown_waits, &mut known_waits][which].push(took);
        }
    }
    for (name, times, others) in [
        ("existing", &known, &unknown),
        ("existing, with an older hash", &outdated, &unknown),
        ("existing and waiting", &known_waits, &unknown_waits),
    ] {
        print_difference(&format!("login times of {name} against unknown users"), times, others);
    }
}

async fn report_guesses(app: &App) {
    let email = new_email("guessed");
    Visitor::new(app).register(&email).await;
    let (verified, refused) = guess_two_hundred_times(app, &email).await;
    assert_eq!((verified, refused), (10, 190));
    println!("of 200 guesses at once {verified} were verified and {refused} had to wait");
    let (refused, made) = forgeries::try_forgeries(app).await;
    println!("forged tokens rejected: {refused} of {made}");
    let (accepted, refused) = register::try_passwords(app).await;
    println!("passwords accepted that should be: {accepted} of {accepted}");
    println!("passwords refused that should be: {refused} of {refused}");
    let judged = crate::problems::try_every_error(app).await;
    println!("errors that conform to RFC 9457: {judged} of {judged}");
}

/// An owner logs in, from a network that the account knows and from networks that it doesn't, while
/// an attacker constantly guesses the password from many networks.
async fn report_owner(app: &App) {
    // An account allows 60 in a row.
    const LOGINS: usize = 50;
    let (owner, email) = (Visitor::new(app), new_email("besieged"));
    owner.register(&email).await;
    let attackers: Vec<_> = (0..50).map(|_| Visitor::new(app)).collect();
    for attacker in &attackers {
        attacker.try_to_log_in(&email, WRONG).await;
    }
    let over = AtomicBool::new(false);
    let attack = async {
        let mut guesses = 0_usize;
        while !over.load(Ordering::Relaxed) {
            attackers[guesses % attackers.len()].try_to_log_in(&email, WRONG).await;
            guesses += 1;
        }
        guesses
    };
    let logins = async {
        let [mut from_known, mut from_unknown] = [0, 0];
        for _ in 0..LOGINS {
            let known = owner.try_to_log_in(&email, PASSWORD).await.status();
            from_known += usize::from(known == 200);
            // A new network each time: an account knows every network from which its owner has
            // logged in.
            let unknown = Visitor::new(app).try_to_log_in(&email, PASSWORD).await.status();
            from_unknown += usize::from(unknown == 200);
        }
        over.store(true, Ordering::Relaxed);
        (from_known, from_unknown)
    };
    let (guesses, (from_known, from_unknown)) = tokio::join!(attack, logins);
    assert_eq!(from_known, LOGINS);
    println!(
        "an owner's logins under {guesses} guesses: {from_known} of {LOGINS} got in from a known \
         network, {from_unknown} of {LOGINS} from unknown ones"
    );
}

/// Pairs of address and password from a breach, each tried once, from a few networks, while
/// somebody else logs in.
async fn report_stuffing(app: &App) {
    const PAIRS: usize = 10_000;
    const NETWORKS: usize = 5;
    const AT_ONCE: usize = 8;
    let attackers: Vec<_> = (0..NETWORKS).map(|_| Visitor::new(app)).collect();
    let other = Visitor::new(app);
    let email = new_email("bystander");
    other.register(&email).await;
    let undisturbed = times_of_logins(&other, &email, |logins| logins < 200).await;
    println!("a bystander's logins without an attack: {}", shown(undisturbed));
    let tried = AtomicUsize::new(0);
    let attack = join_all((0..AT_ONCE).map(async |_| {
        let (mut verified, mut refused) = (0_u32, 0_u32);
        loop {
            let pair = tried.fetch_add(1, Ordering::Relaxed);
            if pair >= PAIRS {
                return (verified, refused);
            }
            let attacker = &attackers[pair % NETWORKS];
            match attacker.try_to_log_in(&new_email("stuffed"), WRONG).await.status().as_u16() {
                401 => verified += 1,
                429 => refused += 1,
                status => panic!("{status}"),
            }
        }
    }));
    let started = Instant::now();
    let goes_on = |_| tried.load(Ordering::Relaxed) < PAIRS;
    let (counts, times) = tokio::join!(attack, times_of_logins(&other, &email, goes_on));
    let verified: u32 = counts.iter().map(|(verified, _)| verified).sum();
    let refused: u32 = counts.iter().map(|(_, refused)| refused).sum();
    // 30 at once from each network, and then one after each wait; the first wait is 30 s, and each
    // further one twice as long.
    let waits = (started.elapsed().as_secs() / 30 + 1).ilog2() + 1;
    assert!(verified <= u32::try_from(NETWORKS).unwrap() * (30 + waits), "{verified}");
    println!(
        "of {PAIRS} stuffed pairs from {NETWORKS} networks {verified} were verified and {refused} \
         had to wait; a bystander's logins meanwhile: {}",
        shown(times),
    );
}

/// One user's logins, in ms, one after another while `goes_on` returns true.
async fn times_of_logins(
    visitor: &Visitor,
    email: &str,
    goes_on: impl Fn(usize) -> bool,
) -> Vec<f64> {
    let mut times = Vec::new();
    while goes_on(times.len()) {
        let started = Instant::now();
        visitor.log_in(email).await;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times
}

fn shown(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let late = times[(times.len() * 99 / 100).min(times.len() - 1)];
    let median = median(&times);
    format!(
        "{} took {median:.1} ms at the median, {late:.1} ms at the 99th percentile",
        times.len()
    )
}

/// Times of 404 answers, for another user's order and for an order that does not exist.
async fn report_times_of_orders(app: &App) {
    const EACH: usize = 1_000;
    let order_id = app.create_order(1, 1).await;
    let stranger = Visitor::new(app);
    let email = new_email("stranger");
    stranger.register(&email).await;
    let session = stranger.log_in(&email).await;
    let [mut others, mut none] = [Vec::new(), Vec::new()];
    for turn in 0..2 * EACH {
        let is_others = turn % 2 == 0;
        let path = match is_others {
            true => format!("/v1/orders/{order_id}"),
            false => format!("/v1/orders/{}", UuidIdentitySource.order_id()),
        };
        let started = Instant::now();
        let answer = stranger.get(&path, &session.access).await;
        let took = started.elapsed().as_secs_f64() * 1e3;
        assert_eq!(answer.status(), 404);
        if is_others { &mut others } else { &mut none }.push(took);
    }
    print_difference("404 for another's order against 404 for none", &others, &none);
}

/// Times of accepted requests for a reset, of addresses with and without an account, in turn.
async fn report_times_of_resets(app: &App) {
    // An address allows five requests in a row, and a network 30.
    const ASKED: usize = 5;
    const ADDRESSES: usize = 100;
    let [mut known, mut unknown] = [Vec::new(), Vec::new()];
    for round in 0..ADDRESSES {
        let emails = [new_email("known"), new_email("unknown")];
        let visitor = Visitor::new(app);
        visitor.register(&emails[0]).await;
        for turn in 0..2 * ASKED {
            let which = (turn + round) % 2;
            let started = Instant::now();
            let asked = visitor.post("/v1/password-resets", &json!({"email": emails[which]})).await;
            let took = started.elapsed().as_secs_f64() * 1e3;
            assert_eq!(asked.status(), 202);
            [&mut known, &mut unknown][which].push(took);
        }
    }
    print_difference("times of resets of existing against unknown users", &known, &unknown);
}

async fn report_cost() {
    let hasher = Argon2idHasher::new(HashCost::RECOMMENDED).unwrap();
    let mut times = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        hasher.hash(SecretString::from(PASSWORD)).await.unwrap();
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let memory = f64::from(HashCost::RECOMMENDED.memory_kib) / 1024.0;
    println!(
        "Argon2id, {}: median {:.1} ms, {memory:.0} MiB",
        HashCost::RECOMMENDED,
        median(&times)
    );
}

/// Correct passwords, from enough clients to keep every processor busy.
async fn report_throughput(app: &App) {
    const LASTS: Duration = Duration::from_secs(10);
    let cores = std::thread::available_parallelism().unwrap().get();
    // An account allows 60 logins in a row.
    const ACCOUNTS: usize = 20;
    let clients = join_all((0..2 * cores).map(async |_| {
        let visitor = Visitor::new(app);
        let emails: Vec<_> = (0..ACCOUNTS).map(|_| new_email("busy")).collect();
        for email in &emails {
            visitor.register(email).await;
            visitor.log_in(email).await;
        }
        (visitor, emails)
    }))
    .await;
    let started = Instant::now();
    let logins = join_all(clients.iter().map(async |(visitor, emails)| {
        let mut logins = 0_u32;
        let mut emails = emails.iter().cycle();
        while started.elapsed() < LASTS {
            visitor.log_in(emails.next().unwrap()).await;
            logins += 1;
        }
        logins
    }))
    .await;
    let each_second = f64::from(logins.iter().sum::<u32>()) / started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a machine has few processors")]
    let per_core = each_second / cores as f64;
    println!("logins a second and processor, with everything on one machine: {per_core:.1}");
}

fn print_difference(kinds: &str, times: &[f64], others: &[f64]) {
    println!(
        "{kinds}, {} each: AUC {:.3}, Welch's t {:.2}, medians {:.2} and {:.2} ms",
        times.len(),
        auc(times, others),
        welch_t(times, others),
        median(times),
        median(others),
    );
}

/// The probability that one of `some` is greater than one of `others`: 0.5 if they do not differ.
#[expect(clippy::cast_precision_loss, reason = "thousands of samples")]
fn auc(some: &[f64], others: &[f64]) -> f64 {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| one.total_cmp(other)));
    let greater = pairs.map(|ordering| match ordering {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    });
    greater.sum::<f64>() / (some.len() * others.len()) as f64
}

#[expect(clippy::cast_precision_loss, reason = "thousands of samples")]
fn welch_t(some: &[f64], others: &[f64]) -> f64 {
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let error = |times: &[f64]| {
        let mean = mean(times);
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        squares / (times.len() as f64 - 1.0) / times.len() as f64
    };
    (mean(some) - mean(others)) / (error(some) + error(others)).sqrt()
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
