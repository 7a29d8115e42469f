//! What the demo proves at its end: what ran, what did not, and that the ledger tells it.

use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

use serde_json::Value;

use super::{
    account::{Amiss, Call, amiss},
    script::Played,
    stage::Stage,
    tell::{Sign, Tell},
};
use crate::{
    cli::{Failure, paint},
    domain::ids::{Digest, ProposalId},
    ledger::verify,
    service::{LEDGER_BRANCH, Stopped},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// The room of a subject beside a commit's name, in lines of 100 characters.
const STORY: usize = 90;

/// What can be seen at the targets.
#[derive(Debug)]
pub(super) struct Seen {
    balance: i64,
    payments: usize,
    refunds: usize,
    notes: usize,
    mails: i64,
}

impl Seen {
    /// What is there now.
    pub(super) fn of(stage: &Stage) -> Self {
        let (bank, crm) = (stage.targets.bank().state(), stage.targets.crm().state());
        let many = |state: &Value, at: &str| {
            let all = state.pointer(at).and_then(Value::as_array);
            let stands = |one: &&Value| one.pointer("/recalled") != Some(&Value::Bool(true));
            all.map_or(0, |all| all.iter().filter(stands).count())
        };
        let sent = |campaign: &Value| campaign.pointer("/sent").and_then(Value::as_i64).unwrap_or(0);
        Self {
            balance: bank
                .pointer("/balance/minor")
                .and_then(Value::as_i64)
                .unwrap_or(0),
            payments: many(&bank, "/payments"),
            refunds: many(&bank, "/refunds"),
            notes: many(&crm, "/notes"),
            mails: crm
                .pointer("/campaigns")
                .and_then(Value::as_array)
                .map_or(0, |campaigns| campaigns.iter().map(sent).sum()),
        }
    }
}

/// Stops everything, tells what there is to see, and says whether it is all as it must be.
pub(super) async fn prove(stage: Stage, tell: &Tell, before: &Seen, played: Played) -> Result<bool, Failure> {
    let after = Seen::of(&stage);
    let bank = amiss("bank", stage.targets.bank(), &played.bank);
    let crm = amiss("CRM", stage.targets.crm(), &played.crm);
    let of_undone = |amiss: &Amiss| amiss.proposal.is_some_and(|id| played.undone.contains(&id));
    let (undone, ran): (Vec<Amiss>, Vec<Amiss>) = bank.into_iter().chain(crm).partition(of_undone);
    tell.part("What the targets show");
    changes(tell, before, &after);
    let (repository, genesis) = (stage.repository()?, stage.genesis);
    let dir = stage.dir.clone();
    let Stage {
        server,
        github,
        targets,
        ..
    } = stage;
    let stopped = server.stop(PATIENCE).await;
    drop(targets);
    tokio::task::spawn_blocking(move || drop(github))
        .await
        .map_err(Failure::new)?;
    tell.part("What the ledger says");
    for line in story(&repository)? {
        tell.plain(line);
    }
    tell.part("Proved");
    let mut all = true;
    let mut say = |holds: bool, word: &str, what: String| {
        all &= holds;
        let sign = if holds { Sign::Good } else { Sign::Wrong };
        tell.line(sign, word, what);
    };
    say(
        ran.is_empty(),
        "ran",
        format!(
            "the {} approved actions, once each, and nothing else",
            approved(&played)
        ),
    );
    say(
        undone.is_empty(),
        "undone",
        "what failed half-way: the step that was done was taken back, once".to_owned(),
    );
    let moved = before.balance - after.balance;
    say(
        moved == played.paid,
        "balance",
        format!(
            "the account paid {} for good; approved for good: {}",
            euros(moved),
            euros(played.paid)
        ),
    );
    say(
        played.wrong == 0,
        "held",
        "the freeze, until two teams ended it; nothing above is marked wrong".to_owned(),
    );
    say(
        played.stopped == played.attacks,
        "stopped",
        format!("{} of {} attacks", played.stopped, played.attacks),
    );
    say(
        stopped == Stopped::Clean,
        "recorded",
        "everything that was begun".to_owned(),
    );
    let (holds, what) = verified(&repository, genesis)?;
    say(holds, "verified", what);
    if let Some((good, commits)) = signatures(&repository) {
        say(
            good == commits && commits > 0,
            "signed",
            format!("git itself finds {good} of {commits} signatures good"),
        );
    }
    for amiss in ran.iter().chain(&undone) {
        tell.more(&amiss.what);
    }
    hints(tell, &dir, &repository, genesis);
    tell.plain(paint::soft(
        "to review yourself, in the browser, run `countersign demo`",
    ));
    Ok(all)
}

/// How many actions reached a target to stay.
fn approved(played: &Played) -> usize {
    let all = played.bank.iter().chain(&played.crm);
    let ran: BTreeSet<ProposalId> = all.map(Call::proposal).collect();
    ran.iter().filter(|id| !played.undone.contains(id)).count()
}

fn changes(tell: &Tell, before: &Seen, after: &Seen) {
    let change = |what: &str, from: String, to: String| {
        let arrow = if from == to {
            format!("{from}, unchanged")
        } else {
            format!("{from} → {}", paint::strong(to))
        };
        tell.plain(format_args!("{what:<26} {arrow}"));
    };
    change(
        "bank: operating account",
        euros(before.balance),
        euros(after.balance),
    );
    change(
        "bank: payments that stand",
        before.payments.to_string(),
        after.payments.to_string(),
    );
    change(
        "bank: refunds that stand",
        before.refunds.to_string(),
        after.refunds.to_string(),
    );
    change("CRM: notes", before.notes.to_string(), after.notes.to_string());
    change(
        "CRM: e-mails sent",
        thousands(before.mails),
        thousands(after.mails),
    );
}

/// `250,000.00 EUR`
fn euros(minor: i64) -> String {
    format!("{}.{:02} EUR", thousands(minor / 100), minor % 100)
}

/// `4,200`
fn thousands(whole: i64) -> String {
    let digits = whole.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The ledger's story, oldest first, as `git log --oneline --reverse ledger` has it, without what the gate saw: every
/// observation repeats what stands beside it.
fn story(repository: &Path) -> Result<Vec<String>, Failure> {
    let read = || -> Result<Vec<String>, git2::Error> {
        let repo = git2::Repository::open_bare(repository)?;
        let mut walk = repo.revwalk()?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE)?;
        walk.push_ref(&format!("refs/heads/{LEDGER_BRANCH}"))?;
        let mut lines = Vec::new();
        let mut seen = 0_usize;
        for id in walk {
            let commit = repo.find_commit(id?)?;
            let subject = commit.summary().ok().flatten().unwrap_or_default();
            if subject.starts_with("observed: ") {
                seen += 1;
                continue;
            }
            let short: String = commit.id().to_string().chars().take(7).collect();
            lines.push(format!("{} {}", paint::soft(short), within(subject, STORY)));
        }
        lines.push(paint::soft(format!("and {seen} times what the gate saw")).to_string());
        Ok(lines)
    };
    read().map_err(|error| Failure::new(error.message()))
}

/// A text of at most this many characters.
fn within(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// What `countersign audit verify` says.
pub(super) fn verified(repository: &Path, genesis: Digest) -> Result<(bool, String), Failure> {
    let branch = LEDGER_BRANCH.parse().map_err(Failure::new)?;
    let report = verify(repository, &branch, genesis, None, |_, _| {}).map_err(Failure::new)?;
    let what = format!(
        "the ledger: {} entries in {} commits, {} findings",
        report.entries,
        report.commits,
        report.findings.len()
    );
    Ok((report.sound(), what))
}

/// How many of the ledger's signatures are good by git's own word; `None` without git and ssh-keygen.
fn signatures(repository: &Path) -> Option<(usize, usize)> {
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(args)
            .output()
            .ok()?;
        done.status
            .success()
            .then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    };
    Command::new("ssh-keygen").arg("-?").output().ok()?;
    let signers = git(&["show", &format!("{LEDGER_BRANCH}:allowed_signers")])?;
    let file = std::env::temp_dir().join(format!("countersign-signers-{:016x}", rand::random::<u64>()));
    std::fs::write(&file, signers).ok()?;
    let allowed = format!("gpg.ssh.allowedSignersFile={}", file.display());
    let log = git(&["-c", &allowed, "log", "--format=%G?", LEDGER_BRANCH]);
    // A file that stays behind holds public keys only.
    let _ = std::fs::remove_file(&file);
    let log = log?;
    Some((
        log.lines().filter(|line| *line == "G").count(),
        log.lines().count(),
    ))
}

/// What a curious person runs next.
pub(super) fn hints(tell: &Tell, dir: &Path, repository: &Path, genesis: Digest) {
    tell.part("Look for yourself");
    let at = repository.display();
    tell.plain(format_args!("git -C {at} log {LEDGER_BRANCH}"));
    tell.plain(format_args!("git -C {at} log main"));
    tell.plain(format_args!("countersign audit verify {at} --genesis {genesis}"));
    tell.plain(paint::soft(format_args!(
        "everything stays in {}; remove it when you are done",
        dir.display()
    )));
}
