//! Two who go around the approvals: by the branch, and by the merge.

use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};

use super::{Played, a_campaign, a_payment, approves, proposed, shows, waits};
use crate::{
    cli::{
        Failure,
        demo::{
            stage::Stage,
            tell::{Sign, Tell},
        },
        house::{ADMIN, REPO},
    },
    domain::{case::Life, ids::ProposalId, proposal::branch_of},
    sandbox::MergeMethod,
};

pub(super) async fn force_push(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
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

pub(super) async fn bypass(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
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
