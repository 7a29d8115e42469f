//! The demo with a person as the reviewers: links, and what happens as it happens.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{
    proof,
    script::{a_campaign, a_note, a_payment},
    stage::Stage,
    tell::{Sign, Tell},
};
use crate::{
    cli::{
        Failure,
        house::{ADMIN, REPO},
        paint,
        serve::Stop,
    },
    service::LEDGER_BRANCH,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs until Ctrl-C; says whether the ledger verifies.
pub(super) async fn run(stage: Stage, tell: &Tell, stop: &mut Stop) -> Result<bool, Failure> {
    let repository = stage.repository()?;
    let mut seen = Log::default();
    seen.new_subjects(&repository)?;
    tell.part("The agents propose");
    stage.propose("support-agent", a_note()).await?;
    stage
        .propose("campaign-agent", a_campaign("spring-customers", "Spring is here"))
        .await?;
    stage
        .propose(
            "payments-agent",
            a_payment("acme-ltd", 1_250_000, "Invoice 2026-117"),
        )
        .await?;
    show(tell, &mut seen, &repository)?;
    invite(&stage, tell);
    let mut changes = stage.server.bot().changes();
    loop {
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    break;
                }
                show(tell, &mut seen, &repository)?;
            }
            () = stop.asked() => break,
        }
    }
    let (dir, genesis) = (stage.dir.clone(), stage.genesis);
    let Stage { server, github, .. } = stage;
    server.stop(PATIENCE).await;
    tokio::task::spawn_blocking(move || drop(github))
        .await
        .map_err(Failure::new)?;
    tell.part("Ended");
    show(tell, &mut seen, &repository)?;
    let (holds, what) = proof::verified(&repository, genesis)?;
    if holds {
        tell.line(Sign::Good, "sound", what);
    } else {
        tell.line(Sign::Wrong, "not sound", what);
    }
    proof::hints(tell, &dir, &repository, genesis);
    Ok(holds)
}

fn invite(stage: &Stage, tell: &Tell) {
    tell.part("Now you review");
    let pulls = format!("{}/{REPO}/pulls", stage.github.url());
    tell.plain(format_args!(
        "open {} and choose who you are at the top",
        paint::link(pulls)
    ));
    tell.row(
        "campaign",
        "one approval: dave. erin's does not count, she is the agent's sponsor",
    );
    tell.row(
        "payment",
        "two teams: alice (finance) and bob (treasury). carol is the sponsor",
    );
    tell.row(
        "attack it",
        format_args!("approve as the sponsor, or merge as {ADMIN}, who is an administrator"),
    );
    tell.row(
        "comment",
        "`/rollback` and why below what ran, `/freeze all` and why below anything",
    );
    tell.row(
        "targets",
        format_args!("{} and {}", stage.targets.bank().url(), stage.targets.crm().url()),
    );
    tell.row(
        "propose",
        "as an agent yourself, with payment.yaml as `countersign propose --help` has it:",
    );
    tell.plain(format_args!(
        "            countersign propose -f payment.yaml --server {} --agent payments-agent --key {}",
        stage.gate(),
        stage.dir.join("keys/agents/payments-agent").display()
    ));
    tell.plain(paint::soft("what happens is told here; Ctrl-C ends it"));
    tell.part("What happens");
}

/// Tells what the ledger says since the last time.
fn show(tell: &Tell, seen: &mut Log, repository: &Path) -> Result<(), Failure> {
    for subject in seen.new_subjects(repository)? {
        let (verb, what) = subject
            .split_once(": ")
            .filter(|(verb, _)| !verb.contains("entries"))
            .unwrap_or(("recorded", subject.trim_start_matches("recorded ")));
        let (sign, verb) = match verb {
            // What the gate saw stands in the check; here it would only repeat the rest.
            "observed" => continue,
            "approved" if what.ends_with("does not count") => (Sign::Stopped, verb),
            "executed" | "approved" | "merged" | "thawed" => (Sign::Good, verb),
            "frozen" => (Sign::Stopped, verb),
            "failed and undone" => (Sign::Stopped, "all undone"),
            "started" => (Sign::Waits, verb),
            "changes requested" => (Sign::Waits, "objected"),
            "refused after merge" | "policy changed" => (Sign::Stopped, "refused"),
            "voided" | "bypassed" | "denied" | "incident" => (Sign::Stopped, verb),
            "failed" | "unknown" => (Sign::Wrong, verb),
            _ => (Sign::Does, verb),
        };
        tell.line(sign, verb, what);
    }
    Ok(())
}

/// How far the ledger was told.
#[derive(Default)]
struct Log {
    told: BTreeSet<git2::Oid>,
}

impl Log {
    /// The subjects of commits that were not told yet, oldest first.
    fn new_subjects(&mut self, repository: &Path) -> Result<Vec<String>, Failure> {
        let mut read = || -> Result<Vec<String>, git2::Error> {
            let repo = git2::Repository::open_bare(repository)?;
            let mut walk = repo.revwalk()?;
            walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE)?;
            walk.push_ref(&format!("refs/heads/{LEDGER_BRANCH}"))?;
            let mut subjects = Vec::new();
            for id in walk {
                let id = id?;
                if self.told.insert(id) {
                    let commit = repo.find_commit(id)?;
                    subjects.push(commit.summary().ok().flatten().unwrap_or_default().to_owned());
                }
            }
            Ok(subjects)
        };
        read().map_err(|error| Failure::new(error.message()))
    }
}
