//! Everything that can happen while an order is created.

/// An attempt, by the order in which they begin.
pub(crate) type AttemptId = usize;

/// A step of one party, or of the network between two. A step that goes wrong is a
/// [fault](Action::is_fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    // --- create-order: the half message ---
    /// A request comes in, or one in progress tries again: a half message is stored and
    /// acknowledged.
    SendHalf(AttemptId),
    /// Fault: the half message is stored, and the answer is lost, or says that the half message is
    /// doubtful. The attempt is abandoned: nobody will ever commit it.
    LoseHalfAnswer(AttemptId),
    /// The request whose last attempt was abandoned goes on under a new one, without a half
    /// message.
    GoOnWithoutHalf(AttemptId),
    /// Fault: no half message can be stored, and the order is created without one.
    SkipHalf(AttemptId),
    /// Fault: no half message can be stored, and so the request is refused.
    RefuseWithoutHalf(AttemptId),
    /// Fault: the request is refused for a reason that can change: a product was withdrawn.
    RefuseRequest(AttemptId),

    // --- create-order: the put ---
    /// The put is sent.
    SendPut(AttemptId),
    /// It arrives, takes effect or is refused, and the answer says which.
    ApplyPut(AttemptId),
    /// Fault: it takes effect, and the answer is lost.
    LosePutAnswer(AttemptId),
    /// Fault: it is dropped on its way.
    DropPut(AttemptId),
    /// Fault: it is slow. The process stops waiting; the put may arrive at any later time.
    DelayPut(AttemptId),
    /// Fault: the table refuses it before it begins, up to the deadline.
    RefusePut(AttemptId),
    /// A put that nobody waits for any more arrives.
    ApplyLatePut(AttemptId),
    /// The outcome of a put is unknown: the same bytes are sent again.
    ResendPut(AttemptId),
    /// The outcome of a put is unknown, and the deadline has passed.
    GiveUp(AttemptId),

    // --- create-order: the end ---
    /// COMMIT or ROLLBACK is sent, by the outcome of the put, and the client is answered.
    End(AttemptId),
    /// Fault: the process dies, or is frozen for good. What it has sent may still arrive.
    Crash(AttemptId),

    // --- broker ---
    /// A COMMIT arrives.
    ApplyCommit(AttemptId),
    /// A ROLLBACK arrives.
    ApplyRollback(AttemptId),
    /// Fault: a COMMIT is lost.
    LoseCommit(AttemptId),
    /// Fault: a ROLLBACK is lost.
    LoseRollback(AttemptId),
    /// Fault: a COMMIT arrives, and a copy of it is still on its way.
    DuplicateCommit(AttemptId),
    /// The broker asks about a half message, and a checker reads the order's item. It answers, or
    /// goes on to the fence.
    Check(AttemptId),
    /// Fault: it asks, and nobody answers: no process lives, a frozen one swallows the question, or
    /// the answer is UNKNOWN, because it is too early or the table can't be read.
    LoseCheck(AttemptId),
    /// Fault: it asks about a half message that has ended. A broker that restarts does, because it
    /// records ended half messages in batches.
    CheckEnded(AttemptId),
    /// After the last check it gives the half message up.
    Discard(AttemptId),

    // --- transaction-check ---
    /// A checker that found nothing adds the attempt to the tombstone, reads again, and answers.
    Fence(AttemptId),
    /// Fault: such a checker dies before it sends the fence.
    CrashBeforeFence(AttemptId),
    /// Fault: the fence takes effect, and the checker dies before it answers.
    CrashAfterFence(AttemptId),
    /// The sweep finds a pending event that is not on its topic, or was never sent. It sends it as
    /// a half message, and commits it at once.
    Sweep,
    /// The sweep claims the event and dies before it has sent anything.
    ClaimInVain,
    /// Fault: its half message is stored, and the COMMIT is lost.
    LoseSweepCommit,
    /// Such a half message is checked. It says that its event is recorded, and the history holds
    /// it. If its message is not on the topic, the COMMIT arrives.
    CheckSweepHalf,
    /// All checks of such a half message are in vain.
    DiscardSweepHalf,

    // --- event-consumer ---
    /// A copy of the event is delivered, handled if it is pending, and acknowledged.
    Deliver,
}

impl Action {
    /// Whether something goes wrong. Faults are bounded; everything else happens sooner or later.
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

    /// Whether it is a step of the client, who may also do nothing. A request that goes on without
    /// the broker is a fault already.
    pub(crate) const fn is_request(self) -> bool {
        matches!(self, Self::SendHalf(_) | Self::GoOnWithoutHalf(_))
    }
}
