//! Everything that can happen.

/// An attempt, by the order in which they begin.
pub(crate) type AttemptId = usize;

/// A step of one party, or of the network between two. What goes wrong is a
/// [fault](Action::is_fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    // --- create-order: the half message ---
    /// A request comes in: its half message is stored and acknowledged.
    SendHalf(AttemptId),
    /// Fault: the half message is stored, and the answer is lost, or says that the broker doesn't
    /// vouch for it. Nobody will ever commit it. Where orders are accepted without the broker, the
    /// request goes on as the next attempt.
    HalfAckLost(AttemptId),
    /// Fault: no half message is stored, and the request is refused.
    HalfLost(AttemptId),
    /// Fault: no half message is stored, or none is tried, and the order is taken without one.
    SkipHalf(AttemptId),

    // --- create-order: the local transaction ---
    /// The local transaction is sent.
    SendTx(AttemptId),
    /// It arrives, takes effect or is cancelled, and the answer tells which.
    ApplyTx(AttemptId),
    /// Fault: it takes effect, and the answer is lost.
    ApplyTxReplyLost(AttemptId),
    /// Fault: it is lost on its way.
    LoseTx(AttemptId),
    /// Fault: it is slow. The process stops waiting; it may arrive at any later time.
    DelayTx(AttemptId),
    /// Fault: the tables refuse it before it begins, to the end of the deadline.
    RefuseTx(AttemptId),
    /// A try that nobody waits for any more arrives.
    ApplyLateTx(AttemptId),
    /// What became of a try is unknown: the same transaction is sent again.
    ResendTx(AttemptId),
    /// What became of a try is unknown, and the deadline has passed.
    GiveUp(AttemptId),

    // --- create-order: the end ---
    /// COMMIT or ROLLBACK is sent, as the transaction went, and the client is answered.
    End(AttemptId),
    /// Fault: the process dies, or is frozen for good. What it has sent may still arrive.
    Crash(AttemptId),

    // --- broker ---
    /// A COMMIT arrives.
    RpcCommit(AttemptId),
    /// A ROLLBACK arrives.
    RpcRollback(AttemptId),
    /// Fault: a COMMIT is lost.
    LoseCommit(AttemptId),
    /// Fault: a ROLLBACK is lost.
    LoseRollback(AttemptId),
    /// Fault: a COMMIT arrives, and a copy of it is still on its way.
    DuplicateCommit(AttemptId),
    /// The broker asks what became of a half message, and the attempt's record answers: the answer
    /// is on its way.
    Check(AttemptId),
    /// Fault: it asks, and nobody answers: no process lives, a frozen one swallows the question, or
    /// the answer is UNKNOWN, because it is too early or the tables can't be read.
    CheckLost(AttemptId),
    /// Fault: it asks for a half message that has ended, and is answered. A broker that restarts
    /// does, because it records in batches what is done.
    SpuriousCheck(AttemptId),
    /// After the last check it gives the half message up.
    Discard(AttemptId),

    // --- transaction-check ---
    /// The sweep finds an unobserved event that is not on its topic, or known to be on none. It
    /// sends it as a half message, and commits it at once.
    SweepSends,
    /// Fault: its half message is stored, and the commit is lost.
    SweepCommitLost,
    /// The check of such a half message is answered, and the COMMIT arrives. It is a committed
    /// attempt's, so there is no other answer.
    SweepCheck,
    /// All checks of such a half message are in vain.
    SweepDiscard,

    // --- event-consumer ---
    /// A visible copy of an attempt's event is delivered, handled and acknowledged.
    Deliver(AttemptId),
    /// Fault: it is handled, and the consumer dies before the acknowledgement.
    CrashBeforeAck(AttemptId),
    /// Fault: it is observed, and the consumer dies before the effect.
    CrashBeforeEffect(AttemptId),
}

impl Action {
    /// Whether something goes wrong. Faults are bounded; everything else happens sooner or later.
    pub(crate) const fn is_fault(self) -> bool {
        match self {
            Self::HalfAckLost(_)
            | Self::HalfLost(_)
            | Self::SkipHalf(_)
            | Self::ApplyTxReplyLost(_)
            | Self::LoseTx(_)
            | Self::DelayTx(_)
            | Self::RefuseTx(_)
            | Self::Crash(_)
            | Self::LoseCommit(_)
            | Self::LoseRollback(_)
            | Self::DuplicateCommit(_)
            | Self::CheckLost(_)
            | Self::SpuriousCheck(_)
            | Self::SweepCommitLost
            | Self::CrashBeforeAck(_)
            | Self::CrashBeforeEffect(_) => true,
            Self::SendHalf(_)
            | Self::SendTx(_)
            | Self::ApplyTx(_)
            | Self::ApplyLateTx(_)
            | Self::ResendTx(_)
            | Self::GiveUp(_)
            | Self::End(_)
            | Self::RpcCommit(_)
            | Self::RpcRollback(_)
            | Self::Check(_)
            | Self::Discard(_)
            | Self::SweepSends
            | Self::SweepCheck
            | Self::SweepDiscard
            | Self::Deliver(_) => false,
        }
    }

    /// Whether it is the client's doing, which nothing obliges to it.
    pub(crate) const fn is_request(self) -> bool {
        matches!(
            self,
            Self::SendHalf(_) | Self::HalfAckLost(_) | Self::HalfLost(_) | Self::SkipHalf(_)
        )
    }

    /// What it is, whoever does it.
    pub(crate) fn kind(self) -> String {
        format!("{self:?}").split('(').next().unwrap_or_default().to_owned()
    }
}
