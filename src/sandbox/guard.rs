//! Who may change a ref, and what stands between a pull request and its merge.
use super::json::field;
use serde_json::Value;

use super::answer::Refusal;
use super::call::Caller;
use super::state::{
    Access, Permission, Protection, Pull, Repo, RequiredCheck, Review, Ruleset, Standing, State, Verdict,
    fnmatch,
};

/// What is about to happen to a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Create { to: &'a str },
    Update { to: &'a str },
    Delete,
}

/// What the rules say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guard {
    /// Why the change is refused whatever it is.
    pub(crate) refuse: Option<String>,
    /// Why it is refused unless it is a fast-forward.
    pub(crate) fast_forward: Option<String>,
}

impl Guard {
    fn refuse(&mut self, why: String) {
        self.refuse.get_or_insert(why);
    }

    /// The refusal that a REST call gets.
    pub(crate) fn check(&self, forced: bool) -> Result<(), Refusal> {
        let why = self
            .refuse
            .as_ref()
            .or(if forced { self.fast_forward.as_ref() } else { None });
        match why {
            Some(why) => Err(Refusal::new(422, why.clone())),
            None => Ok(()),
        }
    }
}

/// How a ruleset may be gone around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bypass {
    Never,
    /// Only by merging a pull request.
    PullRequest,
    Always,
    Exempt,
}

impl Bypass {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::PullRequest => "pull_requests_only",
            Self::Always => "always",
            Self::Exempt => "exempt",
        }
    }
}

impl State {
    /// Whether the caller has administrator rights on the repository.
    pub(crate) fn administers(&self, caller: &Caller, repo: &Repo) -> bool {
        self.may(caller, repo, "administration", Access::Write).is_ok()
    }

    /// The strongest bypass that the ruleset gives the caller.
    pub(crate) fn bypass(&self, caller: &Caller, repo: &Repo, ruleset: &Ruleset) -> Bypass {
        let mut best = Bypass::Never;
        for actor in &ruleset.bypass {
            if !self.is_actor(caller, repo, actor) {
                continue;
            }
            let mode = match field(actor, "bypass_mode").as_str() {
                Some("pull_request") => Bypass::PullRequest,
                Some("exempt") => Bypass::Exempt,
                _ => Bypass::Always,
            };
            if best == Bypass::Never || best == Bypass::PullRequest {
                best = mode;
            }
        }
        best
    }

    fn is_actor(&self, caller: &Caller, repo: &Repo, actor: &Value) -> bool {
        let id = field(actor, "actor_id").as_u64();
        match (field(actor, "actor_type").as_str(), caller) {
            (Some("Integration"), Caller::Installation { .. }) => {
                id.is_some() && self.calling_app(caller) == id
            }
            (Some("OrganizationAdmin"), Caller::User { id: user }) => self.org_admin(repo.owner, *user),
            (Some("User"), Caller::User { id: user }) => id == Some(*user),
            (Some("Team"), Caller::User { id: user }) => id
                .and_then(|team| self.team_membership(team, *user))
                .is_some_and(|(standing, _)| standing == Standing::Active),
            (Some("RepositoryRole"), Caller::User { id: user }) => {
                let role = match id {
                    Some(5) => Permission::Admin,
                    Some(2) => Permission::Maintain,
                    Some(4) => Permission::Write,
                    Some(_) | None => return false,
                };
                self.permission(repo, *user) >= role
            }
            _ => false,
        }
    }

    fn protection_of<'a>(&self, repo: &'a Repo, branch: &str) -> Option<&'a Protection> {
        repo.protections.get(branch).or_else(|| {
            repo.protections
                .iter()
                .find(|(pattern, _)| fnmatch(pattern, branch))
                .map(|(_, protection)| protection)
        })
    }

    /// Whether any rule or protection holds for the branch.
    pub(crate) fn is_protected(&self, repo: &Repo, branch: &str) -> bool {
        let reference = format!("refs/heads/{branch}");
        self.protection_of(repo, branch).is_some()
            || repo
                .rulesets
                .values()
                .any(|ruleset| ruleset.matches(&reference, &repo.default_branch))
    }

    /// What the rules say about a direct change of a ref, by push or by REST.
    pub(crate) fn guard(&self, caller: &Caller, repo: &Repo, reference: &str, change: Change<'_>) -> Guard {
        let mut guard = Guard::default();
        let gh013 = |why: &str| format!("GH013: Repository rule violations found for {reference}. {why}");
        for ruleset in repo
            .rulesets
            .values()
            .filter(|ruleset| ruleset.matches(reference, &repo.default_branch))
        {
            if matches!(
                self.bypass(caller, repo, ruleset),
                Bypass::Always | Bypass::Exempt
            ) {
                continue;
            }
            for rule in &ruleset.rules {
                match (field(rule, "type").as_str(), change) {
                    (Some("creation"), Change::Create { .. }) => {
                        guard.refuse(gh013("Cannot create ref due to creations being restricted."));
                    }
                    (Some("update"), Change::Update { .. }) => {
                        guard.refuse(gh013("Cannot update this protected ref."))
                    }
                    (Some("deletion"), Change::Delete) => {
                        guard.refuse(gh013("Cannot delete this protected ref."))
                    }
                    (Some("non_fast_forward"), Change::Update { .. }) => {
                        guard
                            .fast_forward
                            .get_or_insert(gh013("Cannot force-push to this branch."));
                    }
                    (Some("pull_request"), Change::Update { .. }) => {
                        guard.refuse(gh013("Changes must be made through a pull request."));
                    }
                    (Some("required_status_checks"), Change::Update { to }) => {
                        for check in ruleset_checks(rule) {
                            if !self.check_passes(repo, to, &check) {
                                guard.refuse(gh013(&expected(&check)));
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        let branch = reference.strip_prefix("refs/heads/");
        if let Some(protection) = branch.and_then(|branch| self.protection_of(repo, branch)) {
            self.guard_classic(&mut guard, caller, repo, reference, change, protection);
        }
        guard
    }

    fn guard_classic(
        &self,
        guard: &mut Guard,
        caller: &Caller,
        repo: &Repo,
        reference: &str,
        change: Change<'_>,
        protection: &Protection,
    ) {
        let gh006 = |why: &str| format!("GH006: Protected branch update failed for {reference}. {why}");
        let to = match change {
            Change::Create { .. } => return,
            Change::Delete if protection.allow_deletions => return,
            Change::Delete => return guard.refuse(gh006("Cannot delete this protected branch.")),
            Change::Update { to } => to,
        };
        if !protection.allow_force_pushes {
            guard
                .fast_forward
                .get_or_insert(gh006("Cannot force-push to this protected branch."));
        }
        if !protection.enforce_admins && self.administers(caller, repo) {
            return;
        }
        if protection.lock_branch {
            guard.refuse(gh006("Cannot change this locked branch."));
        }
        if protection.reviews.is_some() {
            guard.refuse(gh006("Changes must be made through a pull request."));
        }
        if !self.unrestricted(caller, protection) {
            guard.refuse(gh006("You're not authorized to push to this branch."));
        }
        for check in protection.checks.iter().flatten() {
            if !self.check_passes(repo, to, check) {
                guard.refuse(gh006(&expected(check)));
            }
        }
    }

    fn unrestricted(&self, caller: &Caller, protection: &Protection) -> bool {
        let Some(restrictions) = &protection.restrictions else {
            return true;
        };
        match caller {
            Caller::User { id } => {
                restrictions.users.contains(id)
                    || restrictions.teams.iter().any(|team| {
                        self.team_membership(*team, *id)
                            .is_some_and(|(standing, _)| standing == Standing::Active)
                    })
            }
            Caller::Installation { .. } | Caller::App { .. } => self
                .calling_app(caller)
                .is_some_and(|app| restrictions.apps.contains(&app)),
            Caller::Anonymous => false,
        }
    }

    /// Whether a required check is met: the newest run of that name, by the right app when one is named.
    pub(crate) fn check_passes(&self, repo: &Repo, sha: &str, check: &RequiredCheck) -> bool {
        let run = repo
            .check_runs
            .values()
            .filter(|run| run.head_sha == sha && run.name == check.context)
            .filter(|run| check.app_id.is_none_or(|app| app == run.app))
            .max_by_key(|run| run.id);
        if let Some(run) = run {
            return run.passes();
        }
        repo.statuses
            .iter()
            .rfind(|status| status.sha == sha && status.context == check.context)
            .filter(|status| check.app_id.is_none() || status.app == check.app_id)
            .is_some_and(|status| status.state == "success")
    }

    /// Everything that keeps the pull request from being merged; `caller` may be allowed around some of it.
    pub(crate) fn merge_blockers(&self, repo: &Repo, pull: &Pull, caller: Option<&Caller>) -> Vec<String> {
        let mut blockers = Vec::new();
        let reference = format!("refs/heads/{}", pull.base_ref);
        for ruleset in repo
            .rulesets
            .values()
            .filter(|ruleset| ruleset.matches(&reference, &repo.default_branch))
        {
            if caller.is_some_and(|caller| self.bypass(caller, repo, ruleset) != Bypass::Never) {
                continue;
            }
            for rule in &ruleset.rules {
                match field(rule, "type").as_str() {
                    Some("update") if caller.is_some() => {
                        blockers.push("Cannot update this protected ref.".to_owned());
                    }
                    Some("pull_request") => {
                        let count = field(rule, "parameters/required_approving_review_count")
                            .as_u64()
                            .unwrap_or(0);
                        blockers.extend(self.review_blockers(repo, pull, count));
                    }
                    Some("required_status_checks") => {
                        let checks = ruleset_checks(rule);
                        blockers.extend(
                            checks
                                .iter()
                                .filter(|check| !self.check_passes(repo, &pull.head_sha, check))
                                .map(expected),
                        );
                    }
                    Some(_) | None => {}
                }
            }
        }
        if let Some(protection) = self.protection_of(repo, &pull.base_ref)
            && !caller.is_some_and(|caller| !protection.enforce_admins && self.administers(caller, repo))
        {
            if let Some(reviews) = protection.reviews {
                blockers.extend(self.review_blockers(repo, pull, reviews.count));
            }
            let unmet = protection.checks.iter().flatten();
            blockers.extend(
                unmet
                    .filter(|check| !self.check_passes(repo, &pull.head_sha, check))
                    .map(expected),
            );
            if protection.lock_branch {
                blockers.push("Cannot change this locked branch.".to_owned());
            }
            if caller.is_some_and(|caller| !self.unrestricted(caller, protection)) {
                blockers.push("You're not authorized to push to this branch.".to_owned());
            }
        }
        blockers
    }

    /// Why a way to merge is not allowed, by the repository's settings or a rule of the branch.
    pub(crate) fn method_refused(&self, repo: &Repo, base: &str, method: &str) -> Option<&'static str> {
        let reference = format!("refs/heads/{base}");
        let allowed = match method {
            "squash" => repo.merging.squash,
            "rebase" => repo.merging.rebase,
            _ => repo.merging.merge,
        };
        let holding = repo
            .rulesets
            .values()
            .filter(|ruleset| ruleset.matches(&reference, &repo.default_branch));
        let mut stated = holding
            .flat_map(|ruleset| &ruleset.rules)
            .filter_map(|rule| field(rule, "parameters/allowed_merge_methods").as_array());
        let left = stated.all(|methods| methods.iter().any(|one| one.as_str() == Some(method)));
        (!(allowed && left)).then_some(match method {
            "squash" => "Squash merges are not allowed on this repository.",
            "rebase" => "Rebase merges are not allowed on this repository.",
            _ => "Merge commits are not allowed on this repository.",
        })
    }

    fn review_blockers(&self, repo: &Repo, pull: &Pull, needed: u64) -> Option<String> {
        let standing = self.standing_reviews(repo, pull);
        if needed > 0
            && standing
                .iter()
                .any(|review| review.verdict == Verdict::ChangesRequested)
        {
            return Some("Changes have been requested by reviewers with write access.".to_owned());
        }
        let approvals = standing
            .iter()
            .filter(|review| review.verdict == Verdict::Approved)
            .count();
        if u64::try_from(approvals).unwrap_or(u64::MAX) >= needed {
            return None;
        }
        let noun = if needed == 1 { "review is" } else { "reviews are" };
        Some(format!(
            "At least {needed} approving {noun} required by reviewers with write access."
        ))
    }

    /// The latest verdict of everyone whose review counts.
    fn standing_reviews<'a>(&self, repo: &Repo, pull: &'a Pull) -> Vec<&'a Review> {
        let mut latest: std::collections::BTreeMap<u64, &Review> = std::collections::BTreeMap::new();
        for review in &pull.reviews {
            match review.verdict {
                Verdict::Approved | Verdict::ChangesRequested | Verdict::Dismissed => {
                    latest.insert(review.author, review);
                }
                Verdict::Commented | Verdict::Pending => {}
            }
        }
        latest
            .into_values()
            .filter(|review| self.permission(repo, review.author) >= Permission::Write)
            .collect()
    }
}

fn expected(check: &RequiredCheck) -> String {
    format!("Required status check \"{}\" is expected.", check.context)
}

fn ruleset_checks(rule: &Value) -> Vec<RequiredCheck> {
    let checks = field(rule, "parameters/required_status_checks").as_array();
    checks
        .into_iter()
        .flatten()
        .filter_map(|check| {
            Some(RequiredCheck {
                context: field(check, "context").as_str()?.to_owned(),
                app_id: field(check, "integration_id").as_u64(),
            })
        })
        .collect()
}
