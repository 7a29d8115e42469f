//! What is wrong around the gate: seen, demanded, and how to put it right.

use serde::Serialize;

use super::{
    AppSight, BranchSight, CHECK, Demands, EVENTS, LedgerSight, OF_WORKFLOWS, PERMISSIONS, QUEUE_EVENT,
    RULE_EVENT, RepositorySight, RuleSight, Sight, Weakness, agree, apart, weaknesses,
};
use crate::domain::observation::{Bypass, Seen};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing opens, merges or executes until it is put right.
    Shut,
    /// Somebody may get around something, or something does not work; the gate finds it when it happens.
    Weak,
    /// It could not be seen, so nobody knows.
    Unseen,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is seen.
    pub seen: String,
    /// What is demanded.
    pub demanded: &'static str,
    /// What to do about it.
    pub remedy: String,
}

/// Everything that is wrong, the worst first; none when all is as demanded.
pub fn findings(seen: &Sight, demands: &Demands) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    found.strength(seen, demands);
    found.around_the_check(&seen.base, demands);
    found.writers(&seen.proposals, Writers::Proposals, demands);
    found.writers(&seen.ledger, Writers::Ledger, demands);
    found.app(&seen.app, &seen.base);
    found.merging(&seen.repository, &seen.base);
    found.clock(&seen.skew);
    found.record(&seen.record, demands);
    let mut all = found.0;
    all.sort_by_key(|one| one.severity);
    all
}

struct Found(Vec<Finding>);

/// Branches that only the app may write.
#[derive(Clone, Copy)]
enum Writers {
    Proposals,
    Ledger,
}

impl Found {
    fn add(
        &mut self,
        rule: &'static str,
        severity: Severity,
        seen: impl Into<String>,
        demanded: &'static str,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding {
            rule,
            severity,
            seen: seen.into(),
            demanded,
            remedy: remedy.into(),
        });
    }

    fn unseen(
        &mut self,
        rule: &'static str,
        what: &str,
        because: &str,
        demanded: &'static str,
        remedy: &str,
    ) {
        self.add(
            rule,
            Severity::Unseen,
            format!("could not see {what}: {because}"),
            demanded,
            remedy,
        );
    }

    /// What the gate itself demands before it merges or executes.
    fn strength(&mut self, seen: &Sight, demands: &Demands) {
        let (base, ledger) = (seen.base.protection(), seen.ledger.protection());
        for (branch, protection) in [(&seen.base, &base), (&seen.ledger, &ledger)] {
            if let Seen::Unknown { because } = protection {
                self.add(
                    "protection",
                    Severity::Shut,
                    format!("could not see the rules of `{}`: {because}", branch.name),
                    "base branch and ledger are protected, and that can be read",
                    "grant the app the permission `administration: read`, and accept it for the installation",
                );
            }
        }
        let (Seen::Known(base), Seen::Known(ledger)) = (base, ledger) else {
            return;
        };
        for weakness in weaknesses(&base, &ledger, demands.app) {
            let (demanded, remedy) = self.strong(weakness, seen, demands);
            self.add(
                weakness.as_str(),
                Severity::Shut,
                told(weakness, seen),
                demanded,
                remedy,
            );
        }
        let sides = [
            (
                "base_around",
                &seen.base,
                &base,
                base.force_push_refused && base.deletion_refused,
            ),
            (
                "ledger_around",
                &seen.ledger,
                &ledger,
                ledger.force_push_refused && ledger.deletion_refused,
            ),
        ];
        for (rule, branch, protection, refused) in sides {
            if refused && protection.around.is_none() {
                self.unseen(
                    rule,
                    &format!("who may force-push or delete `{}` all the same", branch.name),
                    &why_unseen(branch),
                    "the rules against force-pushes and deletion have an empty bypass list",
                    WATCH,
                );
            }
        }
    }

    fn strong(&self, weakness: Weakness, seen: &Sight, demands: &Demands) -> (&'static str, String) {
        let (base, ledger) = (&seen.base.name, &seen.ledger.name);
        match weakness {
            Weakness::CheckRequired => (
                "the base branch requires the check `countersign` from this app",
                format!(
                    "require the status check `{CHECK}` of app {} in a branch ruleset for `{base}`",
                    demands.app
                ),
            ),
            Weakness::CheckBound => (
                "the required check `countersign` is bound to this app",
                format!(
                    "choose app {} as the source of the required check `{CHECK}` in the ruleset for `{base}`",
                    demands.app
                ),
            ),
            Weakness::BaseForcePush => (
                "nobody may force-push the base branch",
                format!("block force pushes in a branch ruleset for `{base}` with an empty bypass list"),
            ),
            Weakness::BaseDeletion => (
                "nobody may delete the base branch",
                format!("restrict deletions in a branch ruleset for `{base}` with an empty bypass list"),
            ),
            Weakness::BaseAround => (
                "nobody may go around the rules on the base branch's history",
                format!(
                    "block force pushes and restrict deletions of `{base}` in a ruleset with an empty bypass list"
                ),
            ),
            Weakness::LedgerForcePush => (
                "nobody may force-push the ledger, the app included",
                format!("block force pushes in a branch ruleset for `{ledger}` with an empty bypass list"),
            ),
            Weakness::LedgerDeletion => (
                "nobody may delete the ledger, the app included",
                format!("restrict deletions in a branch ruleset for `{ledger}` with an empty bypass list"),
            ),
            Weakness::LedgerAround => (
                "nobody may go around the rules on the ledger's history",
                format!(
                    "block force pushes and restrict deletions of `{ledger}` in a ruleset of its own with an empty bypass list"
                ),
            ),
        }
    }

    /// Ways around the required check and the pull request: what they bring is found and never executed, and yet.
    fn around_the_check(&mut self, base: &BranchSight, demands: &Demands) {
        let (Seen::Known(rules), Seen::Known(classic)) = (&base.rules, &base.classic) else {
            return;
        };
        let name = &base.name;
        let by_pull = rules.iter().any(|rule| rule.kind == "pull_request")
            || classic.as_ref().is_some_and(|classic| classic.pull_request);
        if !by_pull {
            self.add(
                "base_pull_request",
                Severity::Weak,
                format!("`{name}` takes pushes without a pull request"),
                "changes of the base branch come by pull request only",
                format!("require a pull request before merging in a branch ruleset for `{name}`"),
            );
        }
        let ours = |rule: &&RuleSight| {
            let mut checks = rule.checks.iter();
            checks.any(|check| check.context == CHECK && check.app == Some(demands.app))
        };
        let demanded = "nobody merges into the base branch without the check";
        let mut requiring = rules.iter().filter(ours).peekable();
        if requiring.peek().is_none() {
            if classic.as_ref().is_some_and(|classic| !classic.administrators) {
                self.add(
                    "base_administrators",
                    Severity::Weak,
                    format!("administrators may merge into `{name}` without the check"),
                    demanded,
                    format!("forbid bypassing the settings in the protection of `{name}`, or use a ruleset instead"),
                );
            }
            return;
        }
        let strict = classic.as_ref().is_some_and(|classic| {
            let mut checks = classic.checks.iter();
            classic.administrators && checks.any(|check| check.context == CHECK)
        });
        let lists: Vec<&Seen<Vec<Bypass>>> = requiring.map(|rule| &rule.around).collect();
        let known: Vec<&Vec<Bypass>> = lists.iter().filter_map(|list| list.known()).collect();
        if strict || known.iter().any(|list| list.is_empty()) {
            return;
        }
        if known.len() < lists.len() {
            self.unseen(
                "check_around",
                &format!("who may merge into `{name}` without the check"),
                &why_unseen(base),
                demanded,
                WATCH,
            );
        } else {
            let who = known.into_iter().flatten();
            self.add(
                "check_around",
                Severity::Weak,
                format!("{} may merge into `{name}` without the check", some(who)),
                demanded,
                format!("empty the bypass list of the ruleset that requires `{CHECK}` on `{name}`"),
            );
        }
    }

    /// Branches that only the app may write. INVARIANT i05.
    fn writers(&mut self, branch: &BranchSight, which: Writers, demands: &Demands) {
        let (rule, what, demanded) = match which {
            Writers::Proposals => (
                "proposal_writers",
                "countersign/**",
                "only the app creates, updates and deletes the branches of proposals",
            ),
            Writers::Ledger => (
                "ledger_writers",
                branch.name.as_str(),
                "only the app writes the ledger",
            ),
        };
        let kinds: &[&str] = match which {
            Writers::Proposals => &["creation", "update", "deletion"],
            Writers::Ledger => &["creation", "update"],
        };
        let remedy = || {
            format!(
                "restrict {} in a branch ruleset for `{what}` whose bypass list holds app {} alone",
                kinds.join(", "),
                demands.app
            )
        };
        let rules = match &branch.rules {
            Seen::Known(rules) => rules,
            Seen::Unknown { because } => {
                return self.unseen(rule, &format!("who may write `{what}`"), because, demanded, GRANT);
            }
        };
        let of = |kind: &str| rules.iter().filter(|one| one.kind == kind).collect::<Vec<_>>();
        let free: Vec<&str> = kinds.iter().filter(|kind| of(kind).is_empty()).copied().collect();
        if !free.is_empty() {
            return self.add(
                rule,
                Severity::Weak,
                format!(
                    "everybody with write access may make a {} of `{what}`",
                    free.join(" or ")
                ),
                demanded,
                remedy(),
            );
        }
        let holding: Vec<&RuleSight> = kinds.iter().flat_map(|kind| of(kind)).collect();
        if holding
            .iter()
            .any(|one| one.app.known().is_some_and(|may| may == "never"))
        {
            return self.add(
                rule,
                Severity::Shut,
                format!("the app itself may not write `{what}`"),
                demanded,
                format!(
                    "add app {} to the bypass list of the ruleset for `{what}`",
                    demands.app
                ),
            );
        }
        let is_app = |one: &Bypass| one.kind == "Integration" && one.id == Some(demands.app);
        let mut others: Vec<&Bypass> = Vec::new();
        for kind in kinds {
            let of_kind = of(kind);
            let alone = |one: &&RuleSight| one.around.known().is_some_and(|list| list.iter().all(is_app));
            if of_kind.iter().any(alone) {
                continue;
            }
            if of_kind.iter().any(|one| one.around.known().is_none()) {
                let what = format!("who else may write `{what}`");
                return self.unseen(rule, &what, &why_unseen(branch), demanded, WATCH);
            }
            let lists = of_kind.iter().filter_map(|one| one.around.known());
            others.extend(lists.flatten().filter(|one| !is_app(one)));
        }
        if !others.is_empty() {
            others.sort();
            others.dedup();
            self.add(
                rule,
                Severity::Weak,
                format!("{} may write `{what}` too", some(others.into_iter())),
                demanded,
                remedy(),
            );
        }
    }

    fn app(&mut self, app: &Seen<AppSight>, base: &BranchSight) {
        let demanded = "the app has the permissions that it needs, and no more";
        let app = match app {
            Seen::Known(app) => app,
            Seen::Unknown { because } => {
                return self.unseen(
                    "app_permissions",
                    "what the app was granted",
                    because,
                    demanded,
                    GRANT,
                );
            }
        };
        // Who grants one of them wants workflows to be run, which takes both.
        let writes = |name: &str| {
            app.permissions
                .get(name)
                .is_some_and(|has| level(has) >= level("write"))
        };
        let workflows = OF_WORKFLOWS.iter().any(|(name, _)| writes(name));
        let of_workflows = OF_WORKFLOWS.iter().filter(|_| workflows);
        let needed = PERMISSIONS.iter().map(|one| (one, Severity::Shut));
        for ((name, needed), severity) in needed.chain(of_workflows.map(|one| (one, Severity::Weak))) {
            let granted = app.permissions.get(*name).map_or("none", String::as_str);
            if level(granted) < level(needed) {
                self.add(
                    "app_permissions",
                    severity,
                    format!("the app's permission `{name}` is {granted}"),
                    demanded,
                    format!(
                        "grant `{name}: {needed}` in the app's settings, and accept it for the installation"
                    ),
                );
            }
        }
        for (name, granted) in &app.permissions {
            let mut all = PERMISSIONS.iter().chain(OF_WORKFLOWS);
            let needed = all.find(|(known, _)| known == name);
            let needed = needed.map_or("none", |(_, needed)| needed);
            if level(granted) > level(needed).max(level("read")) {
                self.add(
                    "app_permissions",
                    Severity::Weak,
                    format!("the app's permission `{name}` is {granted}, more than it needs"),
                    demanded,
                    format!("lower `{name}` to {needed} in the app's settings"),
                );
            }
        }
        let queue =
            matches!(&base.rules, Seen::Known(rules) if rules.iter().any(|rule| rule.kind == "merge_queue"));
        let needed = EVENTS
            .iter()
            .chain(queue.then_some(&QUEUE_EVENT))
            .chain(workflows.then_some(&RULE_EVENT));
        let missing: Vec<&str> = needed
            .filter(|event| !app.events.iter().any(|known| known == *event))
            .copied()
            .collect();
        if !missing.is_empty() {
            self.add(
                "app_events",
                Severity::Weak,
                format!("GitHub does not tell the app of {}", missing.join(", ")),
                "GitHub tells the app of everything that it looks at",
                "subscribe the app to these events in its settings",
            );
        }
    }

    /// A merge that is no merge commit of the approved head is never executed. INVARIANT i14.
    fn merging(&mut self, repository: &Seen<RepositorySight>, base: &BranchSight) {
        const DEMANDED: &str = "merge commits are the only way to merge";
        let settings = match repository {
            Seen::Known(settings) => settings,
            Seen::Unknown { because } => {
                return self.unseen(
                    "merge_methods",
                    "how the repository merges",
                    because,
                    DEMANDED,
                    GRANT,
                );
            }
        };
        let rules = base.rules.known().map(Vec::as_slice).unwrap_or_default();
        let leaves = |method: &str| {
            let mut stated = rules.iter().filter_map(|rule| rule.methods.as_ref());
            stated.all(|methods| methods.iter().any(|one| one == method))
        };
        if !(settings.merge && leaves("merge")) {
            self.add(
                "merge_commits",
                Severity::Shut,
                "merge commits are not allowed",
                DEMANDED,
                "allow merge commits in the repository's settings and in its rulesets",
            );
        }
        let others = [("squash", settings.squash), ("rebase", settings.rebase)];
        let others: Vec<&str> = others
            .into_iter()
            .filter(|(method, allowed)| *allowed && leaves(method))
            .map(|(method, _)| method)
            .collect();
        if !others.is_empty() {
            self.add(
                "merge_methods",
                Severity::Weak,
                format!("{} merges are allowed, and what they bring is never executed", others.join(" and ")),
                DEMANDED,
                "allow merge commits alone in the repository's settings, or in the ruleset of the base branch",
            );
        }
        if settings.deletes_branches {
            self.add(
                "branches_kept",
                Severity::Weak,
                "GitHub deletes the branch of a proposal after its merge",
                "the branches that the record names are kept",
                "turn `Automatically delete head branches` off in the repository's settings",
            );
        }
    }

    fn clock(&mut self, skew: &Seen<i64>) {
        const DEMANDED: &str = "the local clock and GitHub's differ by 30 s at most";
        const REMEDY: &str = "set this machine's clock, and keep it set by NTP";
        match skew {
            Seen::Known(skew) if agree(*skew) => {}
            Seen::Known(skew) => self.add("clock", Severity::Shut, apart(*skew), DEMANDED, REMEDY),
            Seen::Unknown { because } => self.unseen("clock", "GitHub's clock", because, DEMANDED, REMEDY),
        }
    }

    fn record(&mut self, record: &Seen<LedgerSight>, demands: &Demands) {
        let record = match record {
            Seen::Known(record) => record,
            Seen::Unknown { because } => {
                return self.unseen(
                    "ledger",
                    &format!("the ledger on `{}`", demands.ledger),
                    because,
                    "there is a ledger, and it can be read",
                    "begin one with `countersign init`",
                );
            }
        };
        if record.active != record.base {
            self.add(
                "policy_active",
                Severity::Shut,
                format!(
                    "`policies/` on `{}` is {}, and {} is in force",
                    demands.base,
                    record.base.short(),
                    record.active.short()
                ),
                "the base branch holds the policy in force",
                "revert `policies/` on the base branch, or land the change through an approved pull request",
            );
        }
        if record.genesis == Some(false) {
            self.add(
                "genesis",
                Severity::Shut,
                "the ledger does not begin with the genesis digest that was given",
                "the ledger is the one that was begun",
                "freeze, keep what is there, and find out who replaced the branch",
            );
        }
        if record.descends == Some(false) {
            self.add(
                "ledger_descends",
                Severity::Shut,
                "the ledger does not descend from the head that this machine kept",
                "the ledger only ever grows",
                "freeze, put the branch back to the kept head, and find out who rewrote it",
            );
        }
        if record.findings > 0 {
            self.add(
                "ledger_findings",
                Severity::Weak,
                format!(
                    "{} entries or commits on the ledger are no part of the record",
                    record.findings
                ),
                "the ledger holds the record alone",
                "read them with `countersign audit verify`, and let only the app write the branch",
            );
        }
    }
}

const WATCH: &str = "give a token that may administer the repository with `--watch-token-file FILE`";
const GRANT: &str = "check the app's permissions, and that it is installed on the repository";

fn told(weakness: Weakness, seen: &Sight) -> String {
    let around = |branch: &BranchSight| {
        let list = branch.protection().known().and_then(|known| known.around.clone());
        let list = list.unwrap_or_default();
        format!(
            "{} may force-push or delete `{}` all the same",
            some(list.iter()),
            branch.name
        )
    };
    let (base, ledger) = (&seen.base.name, &seen.ledger.name);
    match weakness {
        Weakness::CheckRequired => format!("`{base}` does not require the check `{CHECK}`"),
        Weakness::CheckBound => format!("any app may make the required check `{CHECK}` on `{base}`"),
        Weakness::BaseForcePush => format!("`{base}` may be force-pushed"),
        Weakness::BaseDeletion => format!("`{base}` may be deleted"),
        Weakness::BaseAround => around(&seen.base),
        Weakness::LedgerForcePush => format!("`{ledger}` may be force-pushed"),
        Weakness::LedgerDeletion => format!("`{ledger}` may be deleted"),
        Weakness::LedgerAround => around(&seen.ledger),
    }
}

fn some<'a>(who: impl Iterator<Item = &'a Bypass>) -> String {
    let names: Vec<String> = who.map(ToString::to_string).collect();
    names.join(", ")
}

/// Why the bypass lists of a branch's rules are not known.
fn why_unseen(branch: &BranchSight) -> String {
    let rules = branch.rules.known().into_iter().flatten();
    let mut reasons = rules.filter_map(|rule| match &rule.around {
        Seen::Unknown { because } => Some(because.clone()),
        Seen::Known(_) => None,
    });
    reasons.next().unwrap_or_else(|| "nobody looked".to_owned())
}

/// How far a permission goes.
fn level(access: &str) -> u8 {
    match access {
        "read" => 1,
        "write" => 2,
        "admin" => 3,
        _ => 0,
    }
}
