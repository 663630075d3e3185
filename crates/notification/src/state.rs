//! The states of a notification on either side, each an enum whose words stand in columns and JSON.

use crate::words::words;

words!(
    /// What became of the business transaction: `outgoing.state`.
    BusinessState, "state" {
        /// The local transaction committed.
        Committed = "committed",
        /// It was rolled back, or fenced by a check-back that came first.
        RolledBack = "rolled_back",
        /// Undone after the receiver promised never to apply it.
        Reversed = "reversed",
        /// No row: nobody knows yet. Only ever told to someone who asks, never stored.
        Unknown = "unknown",
    }
);

words!(
    /// What the notifier has said of a notification so far: `outgoing.outcome`.
    Outcome, "outcome" {
        /// Nothing yet.
        None = "none",
        /// It has a record there.
        Accepted = "accepted",
        /// Its ladder is used up, or it was rejected.
        Dead = "dead",
        /// The receiver took it.
        Delivered = "delivered",
        /// The receiver will never apply it.
        Cancelled = "cancelled",
    }
);

words!(
    /// The state of the notifier's record.
    NotificationState, "state" {
        /// Attempts remain.
        Waiting = "waiting",
        /// The receiver took it. Final.
        Delivered = "delivered",
        /// No attempts remain; only a late delivery or an operator's resend changes that.
        Dead = "dead",
        /// A filter said that it is not for this group. Final.
        Skipped = "skipped",
        /// The receiver will never apply it. Final.
        Cancelled = "cancelled",
    }
);

words!(
    /// One line of the notifier's outcome feed.
    OutcomeKind, "kind" {
        /// A record exists now.
        Accepted = "accepted",
        /// Filtered out.
        Skipped = "skipped",
        /// The receiver took it.
        Delivered = "delivered",
        /// It became a dead letter.
        Dead = "dead",
        /// It should be awake and is not: send it anew.
        Lost = "lost",
        /// The receiver will never apply it.
        Cancelled = "cancelled",
        /// An operator gave it up before its delivery. The receiver has promised nothing: it may
        /// have applied it, so this is no reason to undo the business change.
        Withdrawn = "withdrawn",
    }
);

words!(
    /// The state of a dead letter.
    LetterState, "state" {
        /// Nobody has dealt with it.
        Open = "open",
        /// An operator sent it anew.
        Resent = "resent",
        /// An operator gave it up.
        Discarded = "discarded",
        /// A later delivery made it moot.
        Closed = "closed",
    }
);

words!(
    /// Whose fault a dead letter is.
    LetterClass, "class" {
        /// The receiver refused it.
        Receiver = "receiver",
        /// Ours: it never had a fair attempt.
        Pipeline = "pipeline",
    }
);

words!(
    /// Why a notification died.
    DeadReason, "reason" {
        /// Every rung of the ladder was refused.
        LadderUsedUp = "ladder_used_up",
        /// The receiver will never take it.
        Rejected = "rejected",
        /// Not a message of a known format.
        Malformed = "malformed",
        /// Delivered far more often than attempted or parked.
        CrashesWorkers = "crashes_workers",
        /// Parked beyond the maximum age.
        ParkedTooLong = "parked_too_long",
        /// The broker itself moved it to the dead-letter topic.
        BrokerMoved = "broker_moved",
        /// Asleep long past its time.
        Lost = "lost",
    }
);

impl DeadReason {
    /// Whose fault that is.
    pub const fn class(self) -> LetterClass {
        match self {
            Self::LadderUsedUp | Self::Rejected => LetterClass::Receiver,
            Self::Malformed
            | Self::CrashesWorkers
            | Self::ParkedTooLong
            | Self::BrokerMoved
            | Self::Lost => LetterClass::Pipeline,
        }
    }
}

words!(
    /// Whether an endpoint may be rung: an operator's word, or a rule's.
    Operation, "operation" {
        /// It is rung.
        Open = "open",
        /// Everything for it is held; nothing is counted.
        Paused = "paused",
        /// Everything for it is parked, with an alarm.
        Disabled = "disabled",
    }
);

words!(
    /// What a receiver's inbox knows of a number.
    InboxState, "state" {
        /// Its business change is committed there.
        Applied = "applied",
        /// Promised never to be applied.
        Cancelled = "cancelled",
        /// No row.
        Unknown = "unknown",
    }
);

words!(
    /// How a receiver took a notification, as its 200 answer says.
    Applied, "result" {
        /// For the first time: the business change is committed.
        Applied = "applied",
        /// It had been applied before, with the same body.
        Duplicate = "duplicate",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_fits_its_column() {
        for state in NotificationState::ALL {
            assert_eq!(state.as_str().parse::<NotificationState>().unwrap(), *state);
            assert!(state.as_str().len() <= 16);
        }
        for reason in DeadReason::ALL {
            assert_eq!(reason.as_str().parse::<DeadReason>().unwrap(), *reason);
            assert!(reason.as_str().len() <= 32);
        }
    }

    #[test]
    fn an_unknown_word_lists_the_known_ones() {
        let error = "opened".parse::<LetterState>().unwrap_err();
        assert_eq!(error.limit, "one of open resent discarded closed");
    }

    #[test]
    fn json_uses_the_same_words() {
        assert_eq!(
            serde_json::to_string(&BusinessState::RolledBack).unwrap(),
            "\"rolled_back\""
        );
        let back: BusinessState = serde_json::from_str("\"rolled_back\"").unwrap();
        assert_eq!(back, BusinessState::RolledBack);
        assert!(serde_json::from_str::<BusinessState>("\"RolledBack\"").is_err());
    }

    #[test]
    fn only_the_receivers_own_refusals_are_its_class() {
        let receivers: Vec<_> = DeadReason::ALL
            .iter()
            .filter(|reason| reason.class() == LetterClass::Receiver)
            .collect();
        assert_eq!(
            receivers,
            [&DeadReason::LadderUsedUp, &DeadReason::Rejected]
        );
    }
}
