//! What people write below a proposal's pull request for the bot to do: one registry, one file a command.
//!
//! A comment that begins with a command is one, and only as it was made; what stands below the first line is read for
//! `/amend` alone.

use super::{
    case::Case,
    comment::Comment,
    correction, delegation,
    entry::Delegated,
    erasure,
    exception::{self, Departure, Withdrawal},
    exclusion::{self, Exclusion},
    freeze::{self, Freeze},
    policy::Policy,
    proposal::Change,
    resolution, rollback,
};

/// What a comment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// `/delegate`
    Delegate(Delegated),
    /// `/exception`
    Except(Departure),
    /// `/exception CHECK withdraw`
    Withdraw(Withdrawal),
    /// `/exclude`
    Exclude(Exclusion),
    /// `/amend`
    Correct(Vec<Change>),
}

/// What a comment on a case's pull request asks for; nothing when it asks for none. Errors: why it can't be recorded,
/// and what to write instead. Whether its author may is not looked at here.
pub fn asked(comment: Comment<'_>, case: &Case, policy: &Policy) -> Option<Result<Wish, String>> {
    let line = comment.text.trim_start().lines().next()?;
    let mut words = line.split_whitespace();
    match words.next()? {
        delegation::COMMAND => Some(delegation::asked(words, comment, policy).map(Wish::Delegate)),
        exception::COMMAND => Some(exception::asked(words, case).map(|asked| match asked {
            exception::Asked::Except(wish) => Wish::Except(wish),
            exception::Asked::Withdraw(wish) => Wish::Withdraw(wish),
        })),
        exclusion::COMMAND => Some(exclusion::asked(words, case).map(Wish::Exclude)),
        correction::COMMAND => Some(correction::asked(comment.text, case, policy).map(Wish::Correct)),
        _ => None,
    }
}

/// What a comment asks for that is about no one proposal, wherever it stands. Errors: as for [`asked`].
pub fn asked_anywhere(text: &str, policy: &Policy) -> Option<Result<Freeze, String>> {
    let mut words = text.trim_start().lines().next()?.split_whitespace();
    match words.next()? {
        freeze::COMMAND => Some(freeze::asked(words, policy)),
        _ => None,
    }
}

/// The command that a comment begins with, where none can be taken.
pub fn named(text: &str) -> Option<&'static str> {
    let word = text.split_whitespace().next()?;
    let all = [
        delegation::COMMAND,
        exception::COMMAND,
        exclusion::COMMAND,
        correction::COMMAND,
        erasure::COMMAND,
        resolution::COMMAND,
        rollback::COMMAND,
    ];
    all.into_iter().find(|command| *command == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{fixture::*, ids::CommentId};

    #[test]
    fn other_comments_ask_for_nothing() {
        let Story { case, policy, .. } = Story::high();
        let heard = |text: &str| {
            let comment = Comment {
                text,
                by: policy.person(&"alice".parse().unwrap()).unwrap(),
                id: CommentId(1),
                account: ALICE,
                delivery: &"d-1".parse().unwrap(),
                at: at(0),
            };
            asked(comment, &case, &policy)
        };
        for text in [
            "",
            "thanks",
            "/delegated @bob",
            "please /delegate @bob until 2026-12-01",
            "> /delegate @bob",
            "thanks\n/exclude 1 x",
            "/ exclude 1 x",
            "/EXCLUDE 1 x",
            "`/exception text x`",
            "/amended reference=x",
            "thanks\n/amend reference=x",
        ] {
            assert_eq!(heard(text), None, "{text}");
        }
        for text in ["/delegate", "\n /exclude", "/exception\nthanks", "/amend"] {
            assert!(heard(text).is_some_and(|asked| asked.is_err()), "{text}");
        }
    }
}
