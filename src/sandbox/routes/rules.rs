//! Rulesets and classic branch protection.
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, Routed};
use super::super::call::Call;
use super::super::json::{field, merged};
use super::super::state::{Access, Protection, RequiredCheck, RequiredReviews, Restrictions, Ruleset, State};
use super::{At, number};

pub(super) fn for_branch(state: &State, call: &Call, at: At<'_>, branch: &str) -> Routed {
    let repo = state.repo(at.reach(state, call, "metadata", Access::Read)?)?;
    let reference = format!("refs/heads/{branch}");
    let mut found = Vec::new();
    for ruleset in repo
        .rulesets
        .values()
        .filter(|ruleset| ruleset.matches(&reference, &repo.default_branch))
    {
        for rule in &ruleset.rules {
            let source = json!({
                "ruleset_source_type": "Repository",
                "ruleset_source": state.full_name(repo),
                "ruleset_id": ruleset.id,
            });
            found.push(merged(rule.clone(), source));
        }
    }
    Ok(Answer::list(call, found))
}

pub(super) fn rulesets(state: &mut State, call: &Call, at: At<'_>, method: &str, rest: &[&str]) -> Routed {
    match (method, rest) {
        ("GET", []) => {
            let repo = state.repo(at.reach(state, call, "metadata", Access::Read)?)?;
            let all = repo.rulesets.values();
            Ok(Answer::list(
                call,
                all.map(|ruleset| state.ruleset_json(repo, ruleset)).collect(),
            ))
        }
        ("GET", [ruleset]) => {
            let id = at.reach(state, call, "metadata", Access::Read)?;
            show(state, call, id, number(ruleset)?, 200)
        }
        ("POST", []) => {
            let id = at.reach(state, call, "administration", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            let ruleset = state.put_ruleset(id, None, &call.body, actor)?;
            show(state, call, id, ruleset, 201)
        }
        ("PUT", [ruleset]) => {
            let id = at.reach(state, call, "administration", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            let ruleset = state.put_ruleset(id, Some(number(ruleset)?), &call.body, actor)?;
            show(state, call, id, ruleset, 200)
        }
        ("DELETE", [ruleset]) => {
            let id = at.reach(state, call, "administration", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            state.delete_ruleset(id, number(ruleset)?, actor)?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn show(state: &State, call: &Call, id: u64, ruleset: u64, status: u16) -> Routed {
    let repo = state.repo(id)?;
    let ruleset = repo.rulesets.get(&ruleset).ok_or_else(Refusal::not_found)?;
    let writer = state.administers(&call.caller, repo);
    let bypass = state.bypass(&call.caller, repo, ruleset).name();
    Ok(Answer::with(
        status,
        state.ruleset_full_json(repo, ruleset, bypass, writer),
    ))
}

impl State {
    /// Makes or replaces a ruleset from GitHub's JSON.
    pub(crate) fn put_ruleset(
        &mut self,
        repo: u64,
        id: Option<u64>,
        body: &Value,
        actor: u64,
    ) -> Result<u64, Refusal> {
        let now = self.now();
        let old = match id {
            Some(id) => Some(
                self.repo(repo)?
                    .rulesets
                    .get(&id)
                    .cloned()
                    .ok_or_else(Refusal::not_found)?,
            ),
            None => None,
        };
        let action = if old.is_some() { "edited" } else { "created" };
        let mut ruleset = match old {
            Some(old) => old,
            None => Ruleset {
                id: self.id(),
                name: String::new(),
                target: "branch".to_owned(),
                enforcement: String::new(),
                bypass: Vec::new(),
                include: Vec::new(),
                exclude: Vec::new(),
                rules: Vec::new(),
                created_at: now,
                updated_at: now,
            },
        };
        let texts = |value: &Value| -> Option<Vec<String>> {
            Some(
                value
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            )
        };
        if let Some(name) = field(body, "name").as_str() {
            name.clone_into(&mut ruleset.name);
        }
        if let Some(target) = field(body, "target").as_str() {
            target.clone_into(&mut ruleset.target);
        }
        if let Some(enforcement) = field(body, "enforcement").as_str() {
            enforcement.clone_into(&mut ruleset.enforcement);
        }
        if let Some(actors) = field(body, "bypass_actors").as_array() {
            ruleset.bypass = actors
                .iter()
                .map(|actor| {
                    merged(
                        json!({ "actor_id": null, "bypass_mode": "always" }),
                        actor.clone(),
                    )
                })
                .collect();
        }
        let names = &field(body, "conditions/ref_name");
        if let Some(include) = texts(field(names, "include")) {
            ruleset.include = include;
        }
        if let Some(exclude) = texts(field(names, "exclude")) {
            ruleset.exclude = exclude;
        }
        if let Some(rules) = field(body, "rules").as_array() {
            ruleset.rules.clone_from(rules);
        }
        ruleset.updated_at = now;
        if ruleset.name.is_empty()
            || !["active", "disabled", "evaluate"].contains(&ruleset.enforcement.as_str())
        {
            return Err(Refusal::invalid("RepositoryRuleset", "enforcement", "invalid"));
        }
        let id = ruleset.id;
        self.repo_mut(repo)?.rulesets.insert(id, ruleset);
        self.emit_ruleset(repo, id, action, actor)?;
        Ok(id)
    }

    pub(crate) fn delete_ruleset(&mut self, repo: u64, id: u64, actor: u64) -> Result<(), Refusal> {
        if !self.repo(repo)?.rulesets.contains_key(&id) {
            return Err(Refusal::not_found());
        }
        self.emit_ruleset(repo, id, "deleted", actor)?;
        self.repo_mut(repo)?.rulesets.remove(&id);
        Ok(())
    }

    fn emit_ruleset(&mut self, repo: u64, id: u64, action: &str, actor: u64) -> Result<(), Refusal> {
        let repository = self.repo(repo)?;
        let Some(ruleset) = repository.rulesets.get(&id) else {
            return Ok(());
        };
        let shown = self.ruleset_full_json(repository, ruleset, "never", true);
        self.emit(
            "repository_ruleset",
            repo,
            actor,
            json!({ "action": action, "repository_ruleset": shown }),
        )
    }

    /// Protects the branches that match a pattern, from GitHub's JSON.
    pub(crate) fn put_protection(
        &mut self,
        repo: u64,
        branch: &str,
        body: &Value,
        actor: u64,
    ) -> Result<(), Refusal> {
        let flag = |name: &str| field(body, name).as_bool().unwrap_or(false);
        let checks = &field(body, "required_status_checks");
        let listed = field(checks, "checks")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|check| {
                let app_id = field(check, "app_id")
                    .as_i64()
                    .and_then(|id| u64::try_from(id).ok());
                Some(RequiredCheck {
                    context: field(check, "context").as_str()?.to_owned(),
                    app_id,
                })
            });
        let named = field(checks, "contexts")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|context| {
                Some(RequiredCheck {
                    context: context.as_str()?.to_owned(),
                    app_id: None,
                })
            });
        let reviews = &field(body, "required_pull_request_reviews");
        let protection = Protection {
            strict: field(checks, "strict").as_bool().unwrap_or(false),
            checks: checks.is_object().then(|| listed.chain(named).collect()),
            enforce_admins: flag("enforce_admins"),
            reviews: reviews.is_object().then(|| RequiredReviews {
                count: field(reviews, "required_approving_review_count")
                    .as_u64()
                    .unwrap_or(1),
                dismiss_stale: field(reviews, "dismiss_stale_reviews").as_bool().unwrap_or(false),
                code_owners: field(reviews, "require_code_owner_reviews")
                    .as_bool()
                    .unwrap_or(false),
                last_push: field(reviews, "require_last_push_approval")
                    .as_bool()
                    .unwrap_or(false),
            }),
            restrictions: self.restrictions(repo, field(body, "restrictions"))?,
            linear_history: flag("required_linear_history"),
            allow_force_pushes: flag("allow_force_pushes"),
            allow_deletions: flag("allow_deletions"),
            lock_branch: flag("lock_branch"),
            conversation_resolution: flag("required_conversation_resolution"),
        };
        let repository = self.repo_mut(repo)?;
        let old = repository.protections.insert(branch.to_owned(), protection);
        let action = if old.is_some() { "edited" } else { "created" };
        self.emit_protection(repo, branch, action, actor)
    }

    fn restrictions(&self, repo: u64, body: &Value) -> Result<Option<Restrictions>, Refusal> {
        if !body.is_object() {
            return Ok(None);
        }
        let owner = self.repo(repo)?.owner;
        let names = |name: &str| -> Vec<&str> {
            field(body, name)
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
        };
        Ok(Some(Restrictions {
            users: names("users")
                .iter()
                .filter_map(|login| self.account_named(login))
                .map(|one| one.id)
                .collect(),
            teams: names("teams")
                .iter()
                .filter_map(|slug| self.team_named(owner, slug))
                .map(|one| one.id)
                .collect(),
            apps: names("apps")
                .iter()
                .filter_map(|slug| self.apps.values().find(|app| app.slug == *slug))
                .map(|app| app.id)
                .collect(),
        }))
    }

    pub(crate) fn delete_protection(&mut self, repo: u64, branch: &str, actor: u64) -> Result<(), Refusal> {
        if !self.repo(repo)?.protections.contains_key(branch) {
            return Err(Refusal::new(404, "Branch not protected"));
        }
        self.emit_protection(repo, branch, "deleted", actor)?;
        self.repo_mut(repo)?.protections.remove(branch);
        Ok(())
    }

    fn emit_protection(&mut self, repo: u64, branch: &str, action: &str, actor: u64) -> Result<(), Refusal> {
        let id = self.id();
        let repository = self.repo(repo)?;
        let Some(protection) = repository.protections.get(branch) else {
            return Ok(());
        };
        let level = |on: bool| if on { "everyone" } else { "off" };
        let reviews = protection.reviews.unwrap_or_default();
        let checks = protection.checks.as_deref().unwrap_or_default();
        let contexts: Vec<&str> = checks.iter().map(|check| check.context.as_str()).collect();
        let at = super::super::clock::stamp(self.now());
        let rule = json!({
            "id": id,
            "repository_id": repo,
            "name": branch,
            "created_at": at,
            "updated_at": at,
            "pull_request_reviews_enforcement_level": level(protection.reviews.is_some()),
            "required_approving_review_count": reviews.count,
            "dismiss_stale_reviews_on_push": reviews.dismiss_stale,
            "require_code_owner_review": reviews.code_owners,
            "require_last_push_approval": reviews.last_push,
            "authorized_dismissal_actors_only": false,
            "ignore_approvals_from_contributors": false,
            "required_status_checks": contexts,
            "required_status_checks_enforcement_level": level(!checks.is_empty()),
            "strict_required_status_checks_policy": protection.strict,
            "signature_requirement_enforcement_level": "off",
            "linear_history_requirement_enforcement_level": level(protection.linear_history),
            "lock_branch_enforcement_level": level(protection.lock_branch),
            "lock_allows_fork_sync": false,
            "admin_enforced": protection.enforce_admins,
            "allow_force_pushes_enforcement_level": level(protection.allow_force_pushes),
            "allow_deletions_enforcement_level": level(protection.allow_deletions),
            "merge_queue_enforcement_level": "off",
            "required_deployments_enforcement_level": "off",
            "required_conversation_resolution_level": level(protection.conversation_resolution),
            "authorized_actors_only": protection.restrictions.is_some(),
            "authorized_actor_names": [],
            "create_protected": false,
        });
        let payload = match action {
            "edited" => json!({ "action": action, "rule": rule, "changes": {} }),
            _ => json!({ "action": action, "rule": rule }),
        };
        self.emit("branch_protection_rule", repo, actor, payload)
    }
}

pub(super) fn protection(state: &mut State, call: &Call, at: At<'_>, method: &str, branch: &str) -> Routed {
    match method {
        "GET" => {
            let id = at.reach(state, call, "administration", Access::Read)?;
            let repo = state.repo(id)?;
            let found = repo
                .protections
                .get(branch)
                .ok_or_else(|| Refusal::new(404, "Branch not protected"))?;
            Ok(Answer::ok(state.protection_json(repo, branch, found)))
        }
        "PUT" => {
            let id = at.reach(state, call, "administration", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            state.put_protection(id, branch, &call.body, actor)?;
            let repo = state.repo(id)?;
            let found = repo.protections.get(branch).ok_or_else(Refusal::not_found)?;
            Ok(Answer::ok(state.protection_json(repo, branch, found)))
        }
        "DELETE" => {
            let id = at.reach(state, call, "administration", Access::Write)?;
            let actor = state.actor(&call.caller)?;
            state.delete_protection(id, branch, actor)?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::not_found()),
    }
}
