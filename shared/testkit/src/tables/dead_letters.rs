//! Events that were given up.

use application::deadline::Deadline;
use application::outcome::{Failure, Settled, WriteTry};
use application::ports::{
    DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, DeadLetters, LetterGone,
    OBSERVER, Page, Redrive, RedriveCancelled,
};

use super::MemoryTables;
use super::outbox::page_of;
use super::rows::Rows;
use crate::fault::{Fault, Operation};

/// What a busy item makes of a redrive.
const BUSY: RedriveCancelled =
    RedriveCancelled { done_before: false, letter_gone: false, busy: true };

/// Whether a letter is still the one that was read.
fn is_there(rows: &Rows, letter: &DeadLetter) -> bool {
    let found = rows.dead_letters.get(&letter.id());
    found.is_some_and(|found| found.message_id == letter.message_id)
}

impl DeadLetters for MemoryTables {
    async fn bury(&self, letter: &DeadLetter, _deadline: Deadline) -> Settled {
        let letter = letter.clone();
        self.change(Operation::Bury, move |rows| {
            if rows.dead_letters.contains_key(&letter.id()) {
                return;
            }
            let event = letter.event_id.and_then(|id| rows.events.get_mut(&id));
            if let Some(stored) = event {
                stored.unobserved = false;
                stored.event.unpublished = false;
                stored.expires_at = letter.expires_at;
            }
            rows.dead_letters.insert(letter.id(), letter);
        })
        .await
    }
}

impl DeadLetterReader for MemoryTables {
    type Position = DeadLetterId;

    async fn find(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, Failure> {
        self.read(Operation::FindLetter, |rows| rows.dead_letters.get(id).cloned()).await
    }

    async fn page(
        &self,
        after: Option<DeadLetterId>,
    ) -> Result<Page<DeadLetter, DeadLetterId>, Failure> {
        self.read(Operation::PageOfLetters, |rows| page_of(&rows.dead_letters, after)).await
    }
}

impl DeadLetterRemoval for MemoryTables {
    async fn redrive(
        &self,
        redrive: &Redrive<'_>,
        deadline: Deadline,
    ) -> WriteTry<RedriveCancelled> {
        let (letter, event) = (redrive.letter.clone(), redrive.event.clone());
        self.write(Operation::Redrive, deadline, BUSY, move |rows| {
            let cancelled = RedriveCancelled {
                done_before: rows.attempts.contains_key(&event.transaction_id),
                letter_gone: !is_there(rows, &letter),
                busy: false,
            };
            if cancelled != RedriveCancelled::default() {
                return Err(cancelled);
            }
            rows.dead_letters.remove(&letter.id());
            rows.inbox.remove(&(OBSERVER, event.message.event_id));
            rows.record(&event);
            Ok(())
        })
        .await
    }

    async fn discard(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<LetterGone> {
        let letter = letter.clone();
        let discarded = self.write(Operation::Discard, deadline, None, move |rows| {
            if !is_there(rows, &letter) {
                return Err(Some(LetterGone));
            }
            rows.dead_letters.remove(&letter.id());
            Ok(())
        });
        match discarded.await {
            WriteTry::Done => WriteTry::Done,
            WriteTry::Cancelled(Some(gone)) => WriteTry::Cancelled(gone),
            // A write of one item has no reasons besides its condition.
            WriteTry::Cancelled(None) => WriteTry::Refused(Fault::Busy.failure()),
            WriteTry::Refused(failure) => WriteTry::Refused(failure),
            WriteTry::Unknown(failure) => WriteTry::Unknown(failure),
        }
    }
}
