//! Why a proposal did not do what it asked for, as its agent is told: the rule, the reason, and what would satisfy it.

use serde::{Deserialize, Serialize};

use super::{case::Life, entry::VoidReason, verdict::Because};

/// A "no" that a program can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The rule that said no: how the proposal ended, or what made it void.
    pub rule: String,
    /// Why, in one line.
    pub reason: String,
    /// What would satisfy it.
    pub satisfy: String,
    /// The rules of the gate that did not hold, where it was the gate that refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Because>,
}

/// Why a proposal that ended did not do all that it asked for; nothing when it did, or has not ended.
pub fn refusal(
    life: Life,
    voided: Option<VoidReason>,
    reason: Option<&str>,
    against: &[Because],
) -> Option<Refusal> {
    const ANEW: &str = "propose it anew, naming this one in `supersedes`";
    let (rule, why, satisfy) = match life {
        Life::Received | Life::Open | Life::Merged | Life::Started | Life::Unknown | Life::Executed => {
            return None;
        }
        Life::Refused => (
            "target",
            "the target said no and nothing ran",
            "read what it answered below, correct the parameters and propose it anew",
        ),
        Life::Errored => (
            "errored",
            "it failed, and something may have happened",
            "look in the target by the idempotency key before anything like it is proposed anew",
        ),
        Life::Undone => (
            "undone",
            "it failed, and what had run was undone",
            "read which step failed below, correct that and propose it anew",
        ),
        Life::Partial => (
            "partial",
            "some items ran and some did not",
            "propose the items that did not run anew, and those alone",
        ),
        Life::Voided => return Some(void(voided, reason)),
        Life::Denied => (
            "denied",
            "a person closed its pull request without a merge",
            "ask there why, correct that, and propose it anew",
        ),
        Life::Expired => ("expired", "nobody approved it in time", ANEW),
        Life::Cancelled => ("cancelled", "its agent took it back", ANEW),
        Life::Superseded => (
            "superseded",
            "another proposal took its place",
            "follow the one in `replaced_by`",
        ),
        Life::Bypassed => (
            "bypassed",
            "it was merged around the gate and never runs",
            "propose it anew, and have it approved before it is merged",
        ),
        Life::PolicyChanged => (
            "policy_changed",
            "other rules came into force between its approval and its start",
            "propose it anew under the rules in force",
        ),
        Life::RefusedAfterMerge => (
            "refused_after_merge",
            "it was merged, and the last look before the act said no",
            "see which rules did not hold, and propose it anew once they do",
        ),
    };
    Some(Refusal {
        rule: rule.to_owned(),
        reason: reason.unwrap_or(why).to_owned(),
        satisfy: satisfy.to_owned(),
        rules: against.to_vec(),
    })
}

fn void(because: Option<VoidReason>, reason: Option<&str>) -> Refusal {
    let (rule, why, satisfy) = match because {
        Some(VoidReason::ForeignHead) => (
            "foreign_head",
            "somebody else pushed to its branch",
            "propose it anew; nobody but the app may write to its branch",
        ),
        Some(VoidReason::ForeignBase) => (
            "foreign_base",
            "somebody moved its pull request to another branch",
            "propose it anew",
        ),
        Some(VoidReason::Changed) => (
            "changed",
            "what was observed changed between the approval and the merge",
            "look at the target as it is now and propose it anew",
        ),
        Some(VoidReason::Gone) => ("gone", "its pull request or branch is gone", "propose it anew"),
        Some(VoidReason::Rules) => (
            "rules",
            "the rules changed since it was proposed",
            "propose it anew under the rules in force",
        ),
        None => (
            "voided",
            "it is not what was proposed any more",
            "propose it anew",
        ),
    };
    Refusal {
        rule: rule.to_owned(),
        reason: reason.unwrap_or(why).to_owned(),
        satisfy: satisfy.to_owned(),
        rules: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_without_a_whole_effect_names_its_rule_and_what_would_satisfy_it() {
        for life in Life::ALL {
            let told = refusal(life, None, None, &[]);
            assert_eq!(told.is_some(), life.ended() && life != Life::Executed, "{life}");
            let words = |told: &Refusal| [told.rule.clone(), told.reason.clone(), told.satisfy.clone()];
            let words = told.iter().flat_map(words);
            assert!(words.into_iter().all(|text| !text.is_empty()), "{life}");
        }
        let told = refusal(Life::Voided, Some(VoidReason::Changed), None, &[]).unwrap();
        assert_eq!(told.rule, "changed");
        let told = refusal(Life::RefusedAfterMerge, None, Some("limit `rate` is over"), &[]).unwrap();
        assert_eq!(told.reason, "limit `rate` is over");
    }
}
