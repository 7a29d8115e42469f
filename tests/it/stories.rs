//! The main job, end to end.

use serde_json::json;

use crate::world::{REPO, merge_commit, note, payment, story};

#[tokio::test(flavor = "multi_thread")]
async fn low_tier_runs_at_once_and_is_recorded() {
    story(async |world| {
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{answer:#}");
        assert_eq!(answer["state"], "executed");
        assert_eq!(world.acted(), (0, 1));
        world.settle().await;
        let kinds: Vec<String> = world
            .entries()
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["genesis", "received", "started", "finished"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn medium_tier_runs_after_one_approval() {
    story(async |world| {
        let campaign = world.campaign().await;
        assert_eq!(world.check(&campaign).conclusion, "action_required");
        assert_eq!(world.acted(), (0, 0));
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        assert_eq!(world.acted(), (0, 1));
        assert_eq!(
            world.kinds(&campaign),
            [
                "received", "opened", "observed", "reviewed", "observed", "observed", "merged", "observed",
                "started", "finished"
            ]
        );
        assert_eq!(world.check(&campaign).conclusion, "success");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn high_tier_takes_two_people_of_different_teams() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.check(&payment).conclusion, "action_required");
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_the_sponsor_s_approval_does_not_count() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("carol", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        let check = world.check(&payment);
        assert_eq!(check.conclusion, "action_required");
        assert!(check.summary.contains("carol"), "{}", check.summary);
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_a_force_push_after_an_approval_voids_the_proposal() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let branch = format!("countersign/{}", payment.id);
        world
            .person("mallory")
            .push_files(
                REPO,
                &branch,
                &[("proposals/other.yaml", "amount: 99")],
                "a better one",
                true,
            )
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "voided");
        assert!(world.kinds(&payment).contains(&"incident".to_owned()));
        world.approve("bob", &payment).await;
        assert_eq!(world.acted(), (0, 0));
        let pull = world.github.pull(REPO, payment.pull).unwrap();
        assert_eq!(pull["state"], "closed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_merge_around_the_gate_never_executes() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .person("root")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "bypassed");
        assert_eq!(world.acted(), (0, 0));
        assert_eq!(world.check(&payment).conclusion, "failure");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_is_one_proposal() {
    story(async |world| {
        let mut body = payment();
        body["idempotency_key"] = json!("invoice-118");
        let (first, one) = world.propose("payments-agent", body.clone()).await;
        let (again, two) = world.propose("payments-agent", body).await;
        assert_eq!((first, again), (202, 200), "{two:#}");
        assert_eq!(one["id"], two["id"]);
        world.settle().await;
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 1);
    })
    .await;
}
