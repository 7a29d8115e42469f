//! `/resolve executed the bank's statement shows it`: a person settles an execution whose end nobody knows. INVARIANT i21.

use super::{
    case::{Case, Life},
    comment::{of_a_proposal, reason},
    entry::Resolution,
    ids::{PersonName, ProposalId},
    policy::Policy,
    review::parties,
};

/// How the command begins.
pub(super) const COMMAND: &str = "/resolve";
const USAGE: &str = "write `/resolve executed` or `/resolve not-executed`, then how you know; for a proposal without a pull \
                     request, its id in front";

/// What a person found out, and how they know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The proposal, when it is not the pull request's own.
    pub proposal: Option<ProposalId>,
    /// What became of it.
    pub found: Resolution,
    /// How they know.
    pub reason: String,
}

/// The settlement that a comment tells; nothing when it tells none. Errors: why it can't be recorded, and what to write
/// instead.
pub fn asked(text: &str) -> Option<Result<Settlement, String>> {
    let (proposal, words) = of_a_proposal(text, COMMAND)?;
    let found = found(words);
    Some(found.map(|(found, reason)| Settlement {
        proposal,
        found,
        reason,
    }))
}

fn found<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<(Resolution, String), String> {
    let found = match words.next() {
        Some("executed") => Resolution::Executed,
        Some("not-executed") => Resolution::NotExecuted,
        Some(_) | None => return Err(USAGE.to_owned()),
    };
    let reason = reason(words)?.ok_or_else(|| format!("it takes how you know; {USAGE}"))?;
    Ok((found, reason))
}

/// Whether a person may settle a case: nobody knows its end, and they are no party to it. INVARIANT i22.
pub fn settleable(case: &Case, policy: &Policy, by: &PersonName) -> Result<(), String> {
    if case.life != Life::Unknown {
        return Err(format!("nothing is unknown about it: it is {}", case.life));
    }
    let hands = case.co_writers.iter().chain(case.edited.keys()).copied();
    if parties(&case.proposal.matter(), policy, hands).contains(by) {
        return Err("somebody else has to settle it: its sponsor and whoever changed it may not".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settlement_says_which_what_and_how_one_knows() {
        let asked = |text: &str| asked(text).map(|asked| asked.map_err(drop));
        for text in ["", "thanks", "/resolved executed x", "please /resolve executed x"] {
            assert_eq!(asked(text), None, "{text}");
        }
        for text in [
            "/resolve",
            "/resolve executed",
            "/resolve perhaps x",
            "/resolve 01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "/resolve 01ARZ3NDEKTSV4RRFFQ69G5FAV executed",
        ] {
            assert_eq!(asked(text), Some(Err(())), "{text}");
        }
        let own = asked("/resolve executed it is there\nthanks").unwrap().unwrap();
        assert_eq!((own.proposal, own.found), (None, Resolution::Executed));
        assert_eq!(own.reason, "it is there");
        let other = asked(" /resolve 01ARZ3NDEKTSV4RRFFQ69G5FAV not-executed no trace")
            .unwrap()
            .unwrap();
        assert_eq!(other.proposal, "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().ok());
        assert_eq!(other.found, Resolution::NotExecuted);
    }
}
