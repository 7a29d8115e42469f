//! What the app needs, and nothing more.

use crate::domain::ids::BranchName;

/// What the app may do in the repository; it administers nothing. INVARIANT i19.
pub const PERMISSIONS: &[(&str, &str)] = &[
    ("contents", "write"),
    ("pull_requests", "write"),
    ("checks", "write"),
    ("issues", "write"),
    ("members", "read"),
    ("metadata", "read"),
    ("administration", "read"),
];

/// The events that GitHub tells the app of; what one does not tell, only the sweep finds.
pub const EVENTS: &[&str] = &[
    "pull_request",
    "pull_request_review",
    "issue_comment",
    "check_run",
    "push",
    "branch_protection_rule",
    "repository_ruleset",
];

/// What the app may do besides where the catalog has workflows run. INVARIANT i19.
pub const OF_WORKFLOWS: &[(&str, &str)] = &[("actions", "write"), ("deployments", "write")];

/// The event of its deployment protection rule; needed where the catalog has workflows run.
pub const RULE_EVENT: &str = "deployment_protection_rule";

/// The event of a merge queue; needed where the base branch has one.
pub const QUEUE_EVENT: &str = "merge_group";

/// What is demanded of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    /// The app that the check must be bound to, and that alone writes proposals and ledger.
    pub app: u64,
    /// The base branch.
    pub base: BranchName,
    /// The ledger's branch.
    pub ledger: BranchName,
}
