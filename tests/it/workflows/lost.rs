//! Answers that get lost, and processes that die: one run, or nobody can tell, but never two.

use countersign::sandbox::{Failure, Fault, Runners};

use super::{NAMED, deploying, nameless};
use crate::world::{REPO, story_with};

const DISPATCH: &str = "/repos/acme/approvals/actions/workflows/deploy.yml/dispatches";
const RULE: &str = "/repos/acme/approvals/actions/runs/*/deployment_protection_rule";

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_lost_answer_is_found_by_the_run_s_name() {
    for failure in [
        Failure::After { status: 502 },
        Failure::Before { status: 502 },
        Failure::Empty,
        Failure::Truncated,
    ] {
        story_with(deploying(), async |world| {
            world.runs_workflows(NAMED);
            world.github.fault(Fault::once("POST", DISPATCH, failure.clone()));
            let deploy = world.deployed("1.2.3").await;
            world.ended(&deploy, "executed").await;
            assert_eq!(world.runs().len(), 1, "{failure:?}");
            assert_eq!(world.github.entered(REPO).unwrap().len(), 1);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_refuses_to_begin_has_failed_and_nothing_ran() {
    story_with(nameless(), async |world| {
        world.runs_workflows(NAMED);
        let refuse = Failure::Refuse {
            status: 422,
            message: "No ref found for: main".into(),
        };
        world.github.fault(Fault::once("POST", DISPATCH, refuse));
        let deploy = world.deployed("1.2.3").await;
        world.ended(&deploy, "errored").await;
        let note = world.note(&deploy);
        assert!(note.contains("No ref found for: main"), "{note}");
        assert_eq!(world.runs().len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_lost_answer_without_a_name_is_unknown_and_its_run_turned_away() {
    story_with(nameless(), async |world| {
        world.runs_workflows(NAMED);
        world
            .github
            .fault(Fault::once("POST", DISPATCH, Failure::After { status: 502 }));
        let deploy = world.deployed("1.2.3").await;
        world.ended(&deploy, "unknown").await;
        let note = world.note(&deploy);
        assert!(
            note.contains("without `nonce` its run can't be told from others"),
            "{note}"
        );
        let run = world.runs()[0]["id"].as_u64().unwrap();
        // The rule asked while the execution was under way or after it, and is answered within a minute.
        world.turns_away(run).await;
        world.none_entered();
        assert_eq!(world.runs().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i21_a_crash_while_a_run_goes_on_follows_that_run() {
    story_with(deploying(), async |world| {
        let (deploy, run) = world.running().await;
        world.crash();
        world.start().await.unwrap();
        world.sweep().await;
        world.github.finish_run(REPO, run, "success").unwrap();
        world.ended(&deploy, "executed").await;
        world.only_entered(run);
        let kinds = world.kinds(&deploy);
        let from = kinds.iter().position(|kind| kind == "started").unwrap();
        let told: Vec<&str> = kinds[from..].iter().map(String::as_str).collect();
        assert_eq!(told, ["started", "unknown", "observed", "started", "finished"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i21_a_crash_before_the_run_was_let_through_lets_that_run_through() {
    story_with(deploying(), async |world| {
        let (deploy, run) = world.queued().await;
        world.crash();
        world
            .github
            .set_runners(REPO, Runners::End("success".into()))
            .unwrap();
        world.github.start_run(REPO, run).unwrap();
        world.start().await.unwrap();
        world.sweep().await;
        world.ended(&deploy, "executed").await;
        world.only_entered(run);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_process_that_ends_in_good_order_leaves_the_run_to_the_next() {
    story_with(deploying(), async |world| {
        let (deploy, run) = world.running().await;
        world.restart().await;
        world.sweep().await;
        world.github.finish_run(REPO, run, "success").unwrap();
        world.ended(&deploy, "executed").await;
        world.only_entered(run);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_an_answer_of_the_rule_that_gets_lost_is_given_again() {
    for failure in [Failure::After { status: 502 }, Failure::Before { status: 502 }] {
        story_with(deploying(), async |world| {
            world.runs_workflows(NAMED);
            world.github.fault(Fault::once("POST", RULE, failure.clone()));
            let deploy = world.deployed("1.2.3").await;
            world.ended(&deploy, "executed").await;
            assert_eq!(world.github.entered(REPO).unwrap().len(), 1, "{failure:?}");
        })
        .await;
    }
}
