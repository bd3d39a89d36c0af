//! The pages of a local run: `/` leads to them, `/console` shows the protocol as it happens, `/docs`
//! the API, `/mails` the mails that were sent.
//!
//! The console sees what the proxies before the table and the broker and the Lambda host see
//! ([`harness::observer`]); the functions know nothing of it. Its buttons make the faults that
//! `cargo xtask chaos` makes.
//!
//! # Layout
//! - `feed`: what is known, made from the traffic: stories of orders, counts, processes.
//! - `step`, `story`: one order, step by step, and what each step means.
//! - `buttons`: what the buttons do.
//! - `guard`: who may use them.
//! - [`browser`]: a browser for tests and pictures.
//! - [`pictures`]: pictures of the pages.
//! - `mails`: the mails that were sent, and the page to which their links lead.
//! - `documentation`: the API's description in a viewer.
//! - `server`: the pages, their state and their stream over HTTP.
//! - `static/`: HTML, CSS and JavaScript modules, embedded in the program.

// The RocketMQ client's futures nest deeper than the default limit of 128 allows.
#![recursion_limit = "512"]

pub mod browser;

mod buttons;
mod documentation;
mod feed;
mod guard;
mod mails;
pub mod pictures;
mod ring;
mod server;
mod step;
mod story;

use std::sync::Arc;

use harness::mailbox::Mailbox;
use harness::observer::Observer;
use harness::system::{System, SystemOptions};

use buttons::Buttons;
use feed::Feed;
use server::Served;

/// The pages of one system.
pub struct Pages {
    feed: Feed,
    buttons: Buttons,
}

impl Pages {
    /// Pages for the system that starts with these options next.
    #[must_use]
    pub fn of(options: &mut SystemOptions) -> Self {
        let feed = Feed::new();
        let mailbox = Mailbox::of(options);
        let buttons = Buttons::new(feed.clone());
        options.observer = Some(Arc::new(feed.clone()) as Arc<dyn Observer>);
        options.pages = Some(server::router(Served {
            feed: feed.clone(),
            buttons: buttons.clone(),
            mailbox,
            token: guard::new_token(),
        }));
        Self { feed, buttons }
    }

    /// Connects the buttons with the system, and takes over its proxies and its broker.
    ///
    /// # Errors
    /// When the system was not started with the options of [`Pages::of`].
    pub fn attach(&self, system: &mut System) -> anyhow::Result<()> {
        self.buttons.attach(system)?;
        self.feed.note("the system is ready");
        Ok(())
    }

    /// Ends what the buttons have under way and gives the broker back, so that the system can stop.
    pub async fn detach(self, system: &mut System) {
        self.buttons.detach(system).await;
    }
}
