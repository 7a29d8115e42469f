//! What doctor says: each finding with what is demanded and the remedy, the worst first.

use serde_json::{Value, json};

use crate::{
    cli::paint::{self, NO, YES, row},
    domain::{
        ids::RepoName,
        protection::{Change, Finding, Severity},
    },
    settings::Site,
};

pub(super) fn json(repo: &RepoName, found: &[Finding], changed: &[Change]) -> Value {
    json!({
        "repository": repo,
        "fine": found.is_empty(),
        "findings": found,
        "changed": changed,
    })
}

pub(super) fn people(site: &Site, found: &[Finding]) {
    let repo = paint::strong(site.repo());
    if found.is_empty() {
        anstream::println!("{} nothing is wrong around {repo}", paint::good(YES));
    }
    for one in found {
        let sign = match one.severity {
            Severity::Shut => paint::bad(NO),
            Severity::Weak => paint::warn("!"),
            Severity::Unseen => paint::warn("?"),
        };
        anstream::println!("{sign} {}", paint::strong(&one.seen));
        row("rule", format_args!("{}: {}", one.rule, one.demanded));
        row("remedy", &one.remedy);
    }
    if !found.is_empty() {
        anstream::println!("\n{repo}: {}", counted(found));
    }
    if site.genesis().is_none() {
        anstream::println!(
            "{} no genesis digest was given, so nobody knows whether it is the ledger that was begun; give `--genesis DIGEST`",
            paint::soft("note:")
        );
    }
}

/// `2 keep the gate shut, 1 is weak, 3 could not be seen`.
fn counted(found: &[Finding]) -> String {
    let of = |severity: Severity| found.iter().filter(|one| one.severity == severity).count();
    let parts = [
        (of(Severity::Shut), "keep the gate shut"),
        (of(Severity::Weak), "weak"),
        (of(Severity::Unseen), "could not be seen"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    parts.join(", ")
}

/// What would be changed, before anybody is asked.
pub(super) fn changes(wanted: &[Change], repo: &RepoName) {
    anstream::eprintln!("\n{} in {repo}:", paint::strong("would change"));
    for change in wanted {
        for line in lines(change) {
            anstream::eprintln!("  {line}");
        }
    }
}

pub(super) fn changed(changes: &[Change]) {
    for change in changes {
        let what = match change {
            Change::Put(ruleset) => format!("ruleset `{}`", ruleset.name),
            Change::Merging(_) => "how the repository merges".to_owned(),
        };
        anstream::println!("{} set {what}", paint::good(YES));
    }
}

fn lines(change: &Change) -> Vec<String> {
    match change {
        Change::Put(ruleset) => {
            let around = match ruleset.around {
                Some(app) => format!("only app {app} goes around it"),
                None => "nobody goes around it".to_owned(),
            };
            let check = ruleset
                .check
                .map(|app| format!("the check `countersign` of app {app} is required"));
            let mut lines = vec![format!("ruleset `{}` for {}", ruleset.name, ruleset.include)];
            lines.push(format!("  rules: {}", ruleset.rules.join(", ")));
            lines.extend(check.map(|check| format!("  {check}")));
            lines.push(format!("  {around}"));
            lines
        }
        Change::Merging(_) => vec![
            "settings of the repository".to_owned(),
            "  merge commits only; branches are kept after a merge".to_owned(),
        ],
    }
}
