//! What an operator's look around the gate sees. Each part is known completely, or unknown with its reason.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{
    ids::{BranchName, Digest},
    observation::{Bypass, Protection, RequiredCheck, Seen},
};

/// Everything around the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    /// The app as it is installed.
    pub app: Seen<AppSight>,
    /// The base branch.
    pub base: BranchSight,
    /// The ledger's branch.
    pub ledger: BranchSight,
    /// A branch such as proposals have; it need not exist.
    pub proposals: BranchSight,
    /// The repository's own settings.
    pub repository: Seen<RepositorySight>,
    /// Milliseconds by which the local clock is ahead of GitHub's.
    pub skew: Seen<i64>,
    /// The ledger, and the rules on the base branch.
    pub record: Seen<LedgerSight>,
}

/// What the app was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppSight {
    /// Permissions and how far they go.
    pub permissions: BTreeMap<String, String>,
    /// The events that GitHub tells it of.
    pub events: Vec<String>,
}

/// The rules that hold for one branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchSight {
    /// The branch.
    pub name: BranchName,
    /// The rules of every active ruleset that holds for it.
    pub rules: Seen<Vec<RuleSight>>,
    /// Its classic protection, when it has one.
    pub classic: Seen<Option<ClassicSight>>,
}

/// One rule of a ruleset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSight {
    /// GitHub's name for it: `non_fast_forward`, `deletion`, `required_status_checks`.
    pub kind: String,
    /// The ruleset's number.
    pub ruleset: u64,
    /// The checks that must succeed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<RequiredCheck>,
    /// The ways to merge that it leaves; none stated leaves all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Who may go around it; shown only to those who may write the ruleset.
    pub around: Seen<Vec<Bypass>>,
    /// Whether the app may: `never`, `always`, `pull_requests_only`, `exempt`.
    pub app: Seen<String>,
}

/// Classic protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassicSight {
    /// Checks that must succeed.
    pub checks: Vec<RequiredCheck>,
    /// Whether force-pushes are refused.
    pub force_push_refused: bool,
    /// Whether deleting it is refused.
    pub deletion_refused: bool,
    /// Whether it holds for administrators too.
    pub administrators: bool,
    /// Whether changes come by pull request only.
    pub pull_request: bool,
}

/// How the repository merges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositorySight {
    /// Whether merge commits are allowed.
    pub merge: bool,
    /// Whether squash merges are.
    pub squash: bool,
    /// Whether rebase merges are.
    pub rebase: bool,
    /// Whether GitHub deletes a branch after its merge.
    pub deletes_branches: bool,
}

/// What the ledger and the base branch hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerSight {
    /// The digest of the policy in force.
    pub active: Digest,
    /// The digest of `policies/` on the base branch.
    pub base: Digest,
    /// Whether the ledger begins with the genesis digest that the operator keeps; none when none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genesis: Option<bool>,
    /// Whether the ledger descends from the head that this machine kept; none when it kept none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descends: Option<bool>,
    /// What stands on its branch and is no part of the record.
    pub findings: usize,
}

impl BranchSight {
    /// The same as the gate takes it: the rules of all rulesets and of classic protection together.
    pub fn protection(&self) -> Seen<Protection> {
        let (rules, classic) = match (&self.rules, &self.classic) {
            (Seen::Known(rules), Seen::Known(classic)) => (rules, classic.as_ref()),
            (Seen::Unknown { because }, _) | (_, Seen::Unknown { because }) => {
                return Seen::unknown(because.clone());
            }
        };
        let of = |kind: &'static str| rules.iter().filter(move |rule| rule.kind == kind);
        let forced = classic.is_some_and(|classic| classic.force_push_refused);
        let deleted = classic.is_some_and(|classic| classic.deletion_refused);
        let around = around(of("non_fast_forward"), forced)
            .zip(around(of("deletion"), deleted))
            .map(|(mut all, more)| {
                all.extend(more);
                all.sort();
                all.dedup();
                all
            });
        let mut required: Vec<RequiredCheck> = rules.iter().flat_map(|rule| rule.checks.clone()).collect();
        required.extend(classic.into_iter().flat_map(|classic| classic.checks.clone()));
        required.sort_by_key(|check| (check.context.clone(), check.app));
        required.dedup();
        Seen::Known(Protection {
            required_checks: required,
            force_push_refused: forced || of("non_fast_forward").next().is_some(),
            deletion_refused: deleted || of("deletion").next().is_some(),
            around,
        })
    }
}

/// Who may go around every one of some rules of a kind: nobody when one of them, or classic protection, has no way
/// around; none when that could not be seen.
fn around<'a>(rules: impl Iterator<Item = &'a RuleSight>, classic: bool) -> Option<Vec<Bypass>> {
    if classic {
        return Some(Vec::new());
    }
    let mut unseen = false;
    let mut all = Vec::new();
    for rule in rules {
        match &rule.around {
            Seen::Known(around) if around.is_empty() => return Some(Vec::new()),
            Seen::Known(around) => all.extend(around.iter().cloned()),
            Seen::Unknown { .. } => unseen = true,
        }
    }
    (!unseen).then_some(all)
}
