//! Everything that can happen while an order is created.

/// Attempts are numbered in the order in which they begin.
pub(crate) type AttemptId = usize;

/// A step of one party, or of the network between two parties. A step that goes wrong is a
/// [fault](Action::is_fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    // --- create-order: the half message ---
    /// A request arrives, or a request in progress tries again: a half message is stored and
    /// acknowledged.
    SendHalf(AttemptId),
    /// Fault: the half message is stored, and the answer is lost, or says that the half message is
    /// doubtful. The attempt is abandoned: nobody will ever commit it.
    LoseHalfAnswer(AttemptId),
    /// The request whose last attempt was abandoned continues under a new attempt, without a half
    /// message.
    GoOnWithoutHalf(AttemptId),
    /// Fault: no half message can be stored, and the order is created without one.
    SkipHalf(AttemptId),
    /// Fault: no half message can be stored, so the request is refused.
    RefuseWithoutHalf(AttemptId),
    /// Fault: the request is refused for a reason that can change: a product was withdrawn.
    RefuseRequest(AttemptId),

    // --- create-order: the put ---
    /// The put is sent.
    SendPut(AttemptId),
    /// The put arrives and takes effect or is refused, and its process gets the answer.
    ApplyPut(AttemptId),
    /// Fault: the put takes effect, and its answer is lost.
    LosePutAnswer(AttemptId),
    /// Fault: the put is lost on its way.
    DropPut(AttemptId),
    /// Fault: the put is slow. Its process stops waiting; the put may arrive at any later time.
    DelayPut(AttemptId),
    /// Fault: the table refuses the put before it begins, until the deadline.
    RefusePut(AttemptId),
    /// A put arrives for which nobody waits any more.
    ApplyLatePut(AttemptId),
    /// The outcome of a put is unknown: the same bytes are sent again.
    ResendPut(AttemptId),
    /// The outcome of a put is unknown, and the deadline has passed.
    GiveUp(AttemptId),

    // --- create-order: the end ---
    /// COMMIT or ROLLBACK is sent, depending on the outcome of the put, and the client gets its
    /// answer.
    End(AttemptId),
    /// Fault: the process dies, or is frozen for good. What it has sent may still arrive.
    Crash(AttemptId),

    // --- broker ---
    /// A COMMIT arrives.
    ApplyCommit(AttemptId),
    ApplyRollback(AttemptId),
    LoseCommit(AttemptId),
    LoseRollback(AttemptId),
    /// Fault: a COMMIT arrives, and a copy of it is still on its way.
    DuplicateCommit(AttemptId),
    /// The broker asks about a half message, and a checker reads the order's item. The checker
    /// answers, or continues with the fence.
    Check(AttemptId),
    /// Fault: the broker asks, and nobody answers: no process lives, a frozen process holds the
    /// question, or the answer is UNKNOWN, because it is too early or the table can't be read.
    LoseCheck(AttemptId),
    /// Fault: the broker asks about a half message that has ended. A broker that restarts does so,
    /// because it records ended half messages in batches.
    CheckEnded(AttemptId),
    /// After the last check the broker discards the half message.
    Discard(AttemptId),

    // --- transaction-check ---
    /// A checker that found nothing adds the attempt to the tombstone, reads again, and answers.
    Fence(AttemptId),
    /// Fault: such a checker dies before it sends the fence.
    CrashBeforeFence(AttemptId),
    /// Fault: the fence takes effect, and the checker dies before it answers.
    CrashAfterFence(AttemptId),
    /// The sweep finds a pending event that is not on its topic, or was never sent. It sends the
    /// event as a half message, and commits it immediately.
    Sweep,
    /// The sweep claims the event and dies before it has sent anything.
    ClaimInVain,
    /// Fault: the sweep's half message is stored, and its COMMIT is lost.
    LoseSweepCommit,
    /// The broker asks about such a half message. The message says that its event is recorded, and
    /// the history contains it. If the event is not on the topic, the COMMIT arrives.
    CheckSweepHalf,
    /// All checks of such a half message fail.
    DiscardSweepHalf,

    // --- event-consumer ---
    /// A copy of the event is delivered, handled if it is pending, and acknowledged.
    Deliver,
}

impl Action {
    /// Whether something goes wrong. Faults are bounded; everything else happens at some time.
    pub(crate) const fn is_fault(self) -> bool {
        match self {
            Self::LoseHalfAnswer(_)
            | Self::SkipHalf(_)
            | Self::RefuseWithoutHalf(_)
            | Self::RefuseRequest(_)
            | Self::LosePutAnswer(_)
            | Self::DropPut(_)
            | Self::DelayPut(_)
            | Self::RefusePut(_)
            | Self::Crash(_)
            | Self::LoseCommit(_)
            | Self::LoseRollback(_)
            | Self::DuplicateCommit(_)
            | Self::LoseCheck(_)
            | Self::CheckEnded(_)
            | Self::CrashBeforeFence(_)
            | Self::CrashAfterFence(_)
            | Self::ClaimInVain
            | Self::LoseSweepCommit => true,
            Self::SendHalf(_)
            | Self::GoOnWithoutHalf(_)
            | Self::SendPut(_)
            | Self::ApplyPut(_)
            | Self::ApplyLatePut(_)
            | Self::ResendPut(_)
            | Self::GiveUp(_)
            | Self::End(_)
            | Self::ApplyCommit(_)
            | Self::ApplyRollback(_)
            | Self::Check(_)
            | Self::Discard(_)
            | Self::Fence(_)
            | Self::Sweep
            | Self::CheckSweepHalf
            | Self::DiscardSweepHalf
            | Self::Deliver => false,
        }
    }

    /// Whether it is a step of the client, which may also do nothing. A request that continues
    /// without the broker already counts as a fault.
    pub(crate) const fn is_request(self) -> bool {
        matches!(self, Self::SendHalf(_) | Self::GoOnWithoutHalf(_))
    }
}
