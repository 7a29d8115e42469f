//! The organisation that the sandbox and the demo begin with: acme, its teams, people, agents and app.

use serde_json::json;

use super::Failure;
use crate::domain::protection::{CHECK, PERMISSIONS};
use crate::sandbox::{AppCredentials, AppSpec, Error, Permission, Running};

/// The organisation.
pub(super) const ORG: &str = "acme";
/// The repository that holds policies, proposals and ledger.
pub(super) const REPO: &str = "acme/approvals";
/// The app.
pub(super) const APP: &str = "countersign";
/// Teams and who is in them.
pub(super) const TEAMS: &[(&str, &[&str])] = &[
    ("finance", &["alice", "carol", "carol-oncall"]),
    ("treasury", &["bob", "ivan"]),
    ("marketing", &["dave", "erin", "frank"]),
    ("legal", &["grace", "henry"]),
    ("privacy", &["rosa", "sam"]),
    ("security", &["nina", "oscar"]),
    ("platform", &["paula", "quinn", "uma"]),
];
/// The organisation's administrator.
pub(super) const ADMIN: &str = "root";
/// Makes people, teams and the agents' accounts; gives every account's number.
pub(super) fn organisation(github: &Running, agents: &[&str]) -> Result<Vec<(String, u64)>, Failure> {
    people(github, agents).map_err(Failure::new)
}

fn people(github: &Running, agents: &[&str]) -> Result<Vec<(String, u64)>, Error> {
    github.add_org(ORG)?;
    github.add_user(ADMIN)?;
    github.add_org_admin(ORG, ADMIN)?;
    let mut accounts = Vec::new();
    for (team, members) in TEAMS {
        github.add_team(ORG, team, None)?;
        for login in *members {
            accounts.push(((*login).to_owned(), github.add_user(login)?));
            github.add_member(ORG, team, login)?;
        }
    }
    for agent in agents {
        // Agents come in by HTTP; their accounts only let them open pull requests of their own.
        let account = github.create_app(AppSpec {
            slug: (*agent).to_owned(),
            owner: ORG.to_owned(),
            permissions: Vec::new(),
            events: Vec::new(),
            webhook_url: None,
        })?;
        accounts.push((format!("{agent}[bot]"), account.bot_id));
    }
    Ok(accounts)
}

/// Makes the repository with these files, open to every team.
pub(super) fn repository(github: &Running, files: &[(String, String)]) -> Result<(), Failure> {
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let made = || -> Result<(), Error> {
        github.add_repo(REPO, &files)?;
        for (team, _) in TEAMS {
            github.set_team_permission(REPO, team, Permission::Write)?;
        }
        Ok(())
    };
    made().map_err(Failure::new)
}

/// Makes the app and installs it on the repository.
pub(super) fn app(github: &Running) -> Result<AppCredentials, Failure> {
    let made = || -> Result<AppCredentials, Error> {
        let app = github.create_app(AppSpec {
            slug: APP.to_owned(),
            owner: ORG.to_owned(),
            permissions: PERMISSIONS
                .iter()
                .map(|(name, access)| ((*name).to_owned(), (*access).to_owned()))
                .collect(),
            events: Vec::new(),
            webhook_url: None,
        })?;
        github.install(app.id, ORG, &[REPO])?;
        Ok(app)
    };
    made().map_err(Failure::new)
}

/// The rules that the gate demands: the check is required and the app's own, nobody rewrites base branch or ledger, and
/// only the app writes proposals and the ledger. Administrators may merge without the check: the demo shows what becomes
/// of that. Gives the ruleset of the proposals' branches.
pub(super) fn rules(github: &Running, app: u64) -> Result<u64, Failure> {
    let made = || -> Result<u64, Error> {
        github.protect(
            REPO,
            "main",
            &json!({
                "required_status_checks": {
                    "strict": false,
                    "checks": [{ "context": CHECK, "app_id": app }],
                },
                "enforce_admins": false,
                "required_pull_request_reviews": null,
                "restrictions": null,
            }),
        )?;
        github.keep_history(REPO, "the ledger's history", "refs/heads/ledger")?;
        github.reserve_branches(REPO, "the ledger", "refs/heads/ledger", app)?;
        github.reserve_branches(REPO, "proposals", "refs/heads/countersign/**/*", app)
    };
    made().map_err(Failure::new)
}
