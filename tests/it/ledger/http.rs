//! The ledger over smart HTTP: tokens, refusals, races, and answers that get lost.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use countersign::{
    domain::policy::Tier,
    ledger::{AppendError, Ledger, LedgerError, Mirror, ProposalCommit, RemoteError, Token},
    sandbox::{Failure, Fault},
};
use serde_json::json;

use super::world::{Story, World, at, committer};
use crate::sandbox::{REPO, World as GitHub};

const PUSH: &str = "/acme/ops.git/git-receive-pack";

/// A ledger on the sandbox, and how often its token was asked for.
fn world(github: &GitHub) -> (World, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let (counted, secret) = (asked.clone(), github.token());
    let token: Token = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(secret.clone().into())
    });
    let address = format!("{}/acme/ops.git", github.sandbox.url());
    (
        World::begin(tempfile::tempdir().unwrap(), address, Some(token)),
        asked,
    )
}

#[tokio::test]
async fn a_life_goes_over_http_and_two_writers_both_land() {
    let github = GitHub::new();
    let (world, asked) = world(&github);
    let (one, two) = (world.open("one").await, world.open("two").await);
    assert!(asked.load(Ordering::SeqCst) > 0);
    one.append(Story::new(1, Tier::Medium).all()).await.unwrap();
    let recorded = two.append(Story::new(2, Tier::Medium).all()).await.unwrap();
    assert_eq!(recorded[0].entry().seq.0, 7);
    assert_eq!(two.head_commit(), recorded[5].commit());
    let head = github.sandbox.branch_head(REPO, "ledger").unwrap();
    assert_eq!(head, two.head_commit().to_string());
    one.refresh().await.unwrap();
    assert_eq!(one.findings(), []);
    assert_eq!(one.read(|book| book.head()), two.read(|book| book.head()));
}

#[tokio::test]
async fn an_answer_that_got_lost_is_found_on_the_remote() {
    let github = GitHub::new();
    let (world, _) = world(&github);
    let ledger = world.open("one").await;
    let fault = Fault::once("POST", PUSH, Failure::After { status: 502 });
    github.sandbox.fault(fault);
    let recorded = ledger
        .append(vec![Story::new(1, Tier::Medium).received()])
        .await
        .unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(ledger.read(|book| book.size()), 2);
    let fault = Fault::once("POST", PUSH, Failure::Before { status: 502 });
    github.sandbox.fault(fault);
    let story = Story::new(2, Tier::Medium);
    let error = ledger.append(vec![story.received()]).await.unwrap_err();
    assert!(
        matches!(error, AppendError::Remote(RemoteError::Push { .. })),
        "{error}"
    );
    assert_eq!(ledger.read(|book| book.size()), 2);
    ledger.append(vec![story.received()]).await.unwrap();
}

#[tokio::test]
async fn a_push_that_a_rule_refuses_is_an_error_and_changes_nothing() {
    let github = GitHub::new();
    let (world, _) = world(&github);
    let ledger = world.open("one").await;
    let rules = json!({
        "name": "frozen", "enforcement": "active",
        "conditions": { "ref_name": { "include": ["refs/heads/ledger"], "exclude": [] } },
        "rules": [{ "type": "update" }],
    });
    github.sandbox.add_ruleset(REPO, &rules).unwrap();
    let error = ledger
        .append(vec![Story::new(1, Tier::Medium).received()])
        .await
        .unwrap_err();
    assert!(
        matches!(error, AppendError::Remote(RemoteError::Refused { .. })),
        "{error}"
    );
    assert_eq!(ledger.read(|book| book.size()), 1);
}

#[tokio::test]
async fn a_bad_token_is_asked_for_twice_and_never_shown() {
    let github = GitHub::new();
    let (world, _) = world(&github);
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let mut options = world.options("one");
    options.token = Some(Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok("ghs_wrong".to_owned().into())
    }));
    let error = Ledger::open(options.clone()).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::Remote(RemoteError::Fetch { .. })),
        "{error}"
    );
    assert!(asked.load(Ordering::SeqCst) <= 2);
    assert!(!format!("{error} {error:?} {options:?}").contains("ghs_wrong"));
}

/// Nobody who rolled the remote back gets it healed by the next push: it is refused. INVARIANT i18.
#[tokio::test]
async fn i18_a_rolled_back_remote_is_not_pushed_to() {
    let github = GitHub::new();
    let (world, _) = world(&github);
    let ledger = world.open("one").await;
    ledger
        .append(vec![Story::new(1, Tier::Medium).received()])
        .await
        .unwrap();
    let first = world.begun.commit.to_string();
    let old = tempfile::tempdir().unwrap();
    let remote = github.remote(&github.token());
    crate::sandbox::git_ok(old.path(), &["clone", "-q", "-b", "ledger", &remote, "."]);
    let back = format!("{first}:refs/heads/ledger");
    crate::sandbox::git_ok(old.path(), &["push", "-q", "--force", "origin", &back]);
    let error = ledger
        .append(vec![Story::new(2, Tier::Medium).received()])
        .await
        .unwrap_err();
    assert!(
        matches!(error, AppendError::Ledger(LedgerError::Rewritten { .. })),
        "{error}"
    );
    assert_eq!(github.sandbox.branch_head(REPO, "ledger").unwrap(), first);
}

#[tokio::test]
async fn a_proposal_goes_over_http_even_when_its_answer_is_lost() {
    let github = GitHub::new();
    let (world, _) = world(&github);
    let mirror = Mirror::open(
        &world.root.path().join("mirror"),
        world.address.clone(),
        world.token.clone(),
    )
    .unwrap();
    let (head, files) = mirror.policy_files(&"main".parse().unwrap()).await.unwrap();
    assert_eq!(files.len(), 1);
    let story = Story::new(1, Tier::Medium);
    let fault = Fault::once("POST", PUSH, Failure::After { status: 502 });
    github.sandbox.fault(fault);
    let pushed = mirror
        .push_proposal(ProposalCommit {
            branch: story.proposal.branch().parse().unwrap(),
            base_branch: "main".parse().unwrap(),
            files: vec![("proposals/x/proposal.yaml".into(), b"x: 1\n".to_vec())],
            message: "Propose\n".into(),
            author: committer(),
            at: at(5),
        })
        .await
        .unwrap();
    assert_eq!(pushed.base, head);
    let branch = story.proposal.branch();
    assert_eq!(
        github.sandbox.branch_head(REPO, &branch).unwrap(),
        pushed.head.to_string()
    );
    mirror.delete_branch(&branch.parse().unwrap()).await.unwrap();
    assert!(github.sandbox.branch_head(REPO, &branch).is_err());
}
