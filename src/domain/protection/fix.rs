//! By which changes what was found is put right: rulesets of our own, and how the repository merges.

use serde::Serialize;

use super::{Demands, Finding};

/// One change that `doctor --fix` makes with a credential that may administer the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Make a ruleset, or put ours back to what it should be.
    Put(Ruleset),
    /// Allow merge commits only, and keep branches.
    Merging(Merging),
}

/// A ruleset for branches, known by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ruleset {
    /// Its name.
    pub name: &'static str,
    /// The refs that it holds for.
    pub include: String,
    /// GitHub's names of its rules.
    pub rules: Vec<&'static str>,
    /// The app that the required check is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<u64>,
    /// The app that may go around it; nobody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around: Option<u64>,
}

/// How the repository merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Merging;

/// The changes that put findings right, in the order in which they are made.
pub fn changes(findings: &[Finding], demands: &Demands) -> Vec<Change> {
    let concerns = |rules: &[&str]| findings.iter().any(|found| rules.contains(&found.rule));
    let app = Some(demands.app);
    let rulesets = [
        (
            &[
                "check_required",
                "check_bound",
                "base_force_push",
                "base_deletion",
                "base_around",
                "base_pull_request",
                "base_administrators",
                "check_around",
            ][..],
            Ruleset {
                name: "countersign: base",
                include: format!("refs/heads/{}", demands.base),
                rules: vec![
                    "pull_request",
                    "required_status_checks",
                    "non_fast_forward",
                    "deletion",
                ],
                check: app,
                around: None,
            },
        ),
        (
            &["ledger_force_push", "ledger_deletion", "ledger_around"],
            Ruleset {
                name: "countersign: ledger history",
                include: format!("refs/heads/{}", demands.ledger),
                rules: vec!["non_fast_forward", "deletion"],
                check: None,
                around: None,
            },
        ),
        (
            &["ledger_writers"],
            Ruleset {
                name: "countersign: ledger writers",
                include: format!("refs/heads/{}", demands.ledger),
                rules: vec!["creation", "update"],
                check: None,
                around: app,
            },
        ),
        (
            &["proposal_writers"],
            Ruleset {
                name: "countersign: proposals",
                include: "refs/heads/countersign/**/*".to_owned(),
                rules: vec!["creation", "update", "deletion", "non_fast_forward"],
                check: None,
                around: app,
            },
        ),
    ];
    let put = rulesets.into_iter().filter(|(rules, _)| concerns(rules));
    let merging = concerns(&["merge_commits", "merge_methods", "branches_kept"]);
    put.map(|(_, ruleset)| Change::Put(ruleset))
        .chain(merging.then_some(Change::Merging(Merging)))
        .collect()
}
