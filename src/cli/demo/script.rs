//! The story that `--auto` plays: three actions of three tiers, and three attacks.

use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};
use serde_json::{Value, json};

use super::{
    stage::Stage,
    tell::{Sign, Tell},
};
use crate::{
    cli::{
        Failure,
        house::{ADMIN, REPO},
        paint,
    },
    domain::{
        case::Life,
        ids::{ProposalId, PullNumber},
        proposal::branch_of,
    },
    sandbox::MergeMethod,
    service::Status,
};

/// What was approved, and how many attacks were stopped.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// What must have run at the CRM, in order.
    pub(super) crm: Vec<ProposalId>,
    /// What must have run at the bank, in order.
    pub(super) bank: Vec<ProposalId>,
    /// Attacks that were tried.
    pub(super) attacks: u32,
    /// Attacks that were stopped.
    pub(super) stopped: u32,
}

/// Plays it all.
pub(super) async fn play(stage: &Stage, tell: &Tell) -> Result<Played, Failure> {
    let mut played = Played::default();
    tell.act(1, "A note in the CRM: low tier, runs at once");
    note(stage, tell, &mut played).await?;
    tell.act(2, "A campaign to 4,200 contacts: medium tier, one approval");
    campaign(stage, tell, &mut played).await?;
    tell.act(
        3,
        "A payment of 12,500.00 EUR: high tier, two people of different teams",
    );
    payment(stage, tell, &mut played).await?;
    tell.act(4, "A payment that is changed after it was approved");
    force_push(stage, tell, &mut played).await?;
    tell.act(5, "A campaign that is merged around the gate");
    bypass(stage, tell, &mut played).await?;
    Ok(played)
}

/// A note on a customer.
pub(super) fn a_note() -> Value {
    json!({
        "operation": "crm.note",
        "sponsor": "erin",
        "parameters": { "customer_id": "C-1001", "text": "Asked for a later delivery; agreed on Thursday." },
        "justification": "The customer called and asked to have it noted.",
    })
}

/// A campaign to a segment.
pub(super) fn a_campaign(segment: &str, subject: &str) -> Value {
    json!({
        "operation": "campaigns.send",
        "sponsor": "erin",
        "parameters": {
            "segment_id": segment,
            "subject": subject,
            "body": "Dear customer,\n\nour spring collection has arrived.\n\nYour Acme team\n",
        },
        "justification": "The campaign is planned for this week in the marketing calendar.",
    })
}

/// A payment to a supplier.
pub(super) fn a_payment(supplier: &str, minor: u64, reference: &str) -> Value {
    json!({
        "operation": "payments.create",
        "sponsor": "carol",
        "parameters": {
            "supplier_id": supplier,
            "amount": { "minor": minor, "currency": "EUR" },
            "reference": reference,
        },
        "justification": "The invoice is due on Friday and its goods have arrived.",
    })
}

async fn note(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "support-agent";
    let status = stage.propose(agent, a_note()).await?;
    proposed(tell, agent, &status);
    ran(tell, &status, "no approval needed");
    played.crm.push(status.id);
    Ok(())
}

async fn campaign(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "campaign-agent";
    let status = stage
        .propose(agent, a_campaign("spring-customers", "Spring is here"))
        .await?;
    proposed(tell, agent, &status);
    let pull = waits(stage, tell, &status)?;
    stage.person("erin").approve(REPO, pull.0).map_err(Failure::new)?;
    stage.settle().await;
    tell.line(
        Sign::Attack,
        "attack",
        "erin approves; she is the sponsor who answers for the agent",
    );
    let now = stage.status(agent, status.id).await?;
    let shut = now.state == Life::Open && stage.check(pull)?.0 != "success";
    played.attack(
        tell,
        shut,
        "it does not count: nobody approves what their own agent proposes",
    );
    shows(stage, tell, pull)?;
    approves(stage, tell, pull, "dave", "marketing").await?;
    let now = stage.status(agent, status.id).await?;
    ran(
        tell,
        &now,
        "merged by the gate, then executed from the merge commit",
    );
    played.crm.push(status.id);
    Ok(())
}

/// One person of an owning team approves.
async fn approves(
    stage: &Stage,
    tell: &Tell,
    pull: PullNumber,
    login: &str,
    team: &str,
) -> Result<(), Failure> {
    stage.person(login).approve(REPO, pull.0).map_err(Failure::new)?;
    stage.settle().await;
    tell.line(Sign::Does, "approved", format!("by {login}, for {team}"));
    Ok(())
}

async fn payment(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "payments-agent";
    let status = stage
        .propose(agent, a_payment("acme-ltd", 1_250_000, "Invoice 2026-117"))
        .await?;
    proposed(tell, agent, &status);
    let pull = waits(stage, tell, &status)?;
    approves(stage, tell, pull, "alice", "finance").await?;
    shows(stage, tell, pull)?;
    approves(stage, tell, pull, "bob", "treasury").await?;
    let now = stage.status(agent, status.id).await?;
    ran(
        tell,
        &now,
        "two people of two teams; looked at again right before it ran",
    );
    played.bank.push(status.id);
    Ok(())
}

async fn force_push(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "payments-agent";
    let status = stage
        .propose(agent, a_payment("globex", 86_400, "Invoice R-4471"))
        .await?;
    proposed(tell, agent, &status);
    let pull = waits(stage, tell, &status)?;
    approves(stage, tell, pull, "alice", "finance").await?;
    let (path, text) = proposal_file(stage, status.id)?;
    let dearer = text.replace("86400", "8640000");
    if dearer == text {
        return Err(Failure::new(
            "the proposal does not name the amount that the demo changes",
        ));
    }
    let branch = branch_of(status.id);
    let push = || {
        let files = [(path.as_str(), dearer.as_str())];
        stage
            .person("dave")
            .push_files(REPO, &branch, &files, "Correct a typo", true)
    };
    let refused = push().is_err();
    tell.line(
        Sign::Attack,
        "attack",
        "dave force-pushes 86,400.00 EUR in place of 864.00 EUR",
    );
    if refused {
        tell.line(
            Sign::Stopped,
            "refused",
            "by GitHub: only the app writes these branches",
        );
    } else {
        tell.line(
            Sign::Wrong,
            "accepted",
            "although only the app may write these branches",
        );
    }
    stage.enforce(false)?;
    push().map_err(Failure::new)?;
    stage.enforce(true)?;
    stage.settle().await;
    tell.line(
        Sign::Attack,
        "again",
        format_args!("{ADMIN}, an administrator, lifts that rule while dave pushes"),
    );
    let now = stage.status(agent, status.id).await?;
    let void = now.state == Life::Voided;
    played.attack(
        tell,
        refused && void,
        "the proposal is void: its branch is not what was approved",
    );
    shows(stage, tell, pull)
}

async fn bypass(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "campaign-agent";
    let status = stage
        .propose(agent, a_campaign("vip", "An offer for you alone"))
        .await?;
    proposed(tell, agent, &status);
    let pull = waits(stage, tell, &status)?;
    stage
        .person(ADMIN)
        .merge(REPO, pull.0, MergeMethod::Merge)
        .map_err(Failure::new)?;
    stage.settle().await;
    tell.line(
        Sign::Attack,
        "attack",
        format_args!("{ADMIN} merges, as administrators can; nobody approved"),
    );
    let now = stage.status(agent, status.id).await?;
    let unexecuted = now.state == Life::Bypassed;
    played.attack(
        tell,
        unexecuted,
        "merged, never executed, and recorded as a bypass",
    );
    shows(stage, tell, pull)
}

impl Played {
    fn attack(&mut self, tell: &Tell, stopped: bool, how: &str) {
        self.attacks += 1;
        if stopped {
            self.stopped += 1;
            tell.line(Sign::Stopped, "stopped", how);
        } else {
            tell.line(Sign::Wrong, "not stopped", format_args!("it should be so: {how}"));
        }
    }
}

fn proposed(tell: &Tell, agent: &str, status: &Status) {
    tell.line(
        Sign::Does,
        "proposed",
        format_args!("{}, by {agent}", paint::strong(&status.summary)),
    );
}

/// The pull request that people review.
fn waits(stage: &Stage, tell: &Tell, status: &Status) -> Result<PullNumber, Failure> {
    let pull = status.pull_request.ok_or_else(|| {
        let why = status.reason.clone().unwrap_or_default();
        Failure::new(format!(
            "proposal {} has no pull request; it is {} {why}",
            status.id, status.state
        ))
    })?;
    let check = stage.check(pull)?.1;
    tell.line(
        Sign::Waits,
        "waits",
        check.strip_prefix("Waiting: ").unwrap_or(&check),
    );
    if let Some(url) = &status.url {
        tell.link(url);
    }
    Ok(pull)
}

/// What the check on the pull request says now.
fn shows(stage: &Stage, tell: &Tell, pull: PullNumber) -> Result<(), Failure> {
    let check = stage.check(pull)?.1;
    // A head that is not the bot's has no check of the bot's.
    if !check.is_empty() {
        tell.more(format_args!("the check says: {check}"));
    }
    Ok(())
}

fn ran(tell: &Tell, status: &Status, how: &str) {
    if status.state == Life::Executed {
        tell.line(Sign::Good, "executed", how);
    } else {
        let why = status.reason.as_deref().unwrap_or("and nothing more is known");
        tell.line(
            Sign::Wrong,
            "not executed",
            format_args!("it is {}: {why}", status.state),
        );
    }
}

/// The path and text of `proposal.yaml` on a proposal's branch.
fn proposal_file(stage: &Stage, id: ProposalId) -> Result<(String, String), Failure> {
    let found = || -> Result<Option<(String, String)>, git2::Error> {
        let repo = Repository::open_bare(stage.github.git_dir(REPO).unwrap_or_default())?;
        let head = repo.find_reference(&format!("refs/heads/{}", branch_of(id)))?;
        let tree = head.peel_to_tree()?;
        let (above, mut found) = (format!("{id}/"), None);
        tree.walk(TreeWalkMode::PreOrder, |root, entry| {
            if root.ends_with(&above) && entry.name().is_ok_and(|name| name == "proposal.yaml") {
                found = Some((format!("{root}proposal.yaml"), entry.id()));
                return TreeWalkResult::Abort;
            }
            if entry.kind() == Some(ObjectType::Tree) {
                TreeWalkResult::Ok
            } else {
                TreeWalkResult::Skip
            }
        })
        .or_else(|error| {
            if error.code() == git2::ErrorCode::User {
                Ok(())
            } else {
                Err(error)
            }
        })?;
        let Some((path, blob)) = found else {
            return Ok(None);
        };
        let blob = repo.find_blob(blob)?;
        Ok(Some((path, String::from_utf8_lossy(blob.content()).into_owned())))
    };
    found()
        .map_err(|error| Failure::new(error.message()))?
        .ok_or_else(|| Failure::new(format!("the branch of proposal {id} holds no proposal.yaml")))
}
