//! A step that a workflow takes and another run takes back, when the step behind it fails. INVARIANT i21, i22.

use super::{ACTION, ENVIRONMENT, deploying};
use crate::world::{Opened, REPO, Setup, World, story_with};

/// The catalog's workflow, asked for one version.
macro_rules! deploys {
    ($version:literal) => {
        concat!(
            "actions: { workflow: deploy.yml, ref: main, environment: production, within: 10m, nonce: nonce, ",
            "inputs: { service: \"${params.service}\", version: \"",
            $version,
            "\" } }\n"
        )
    };
}

/// The workflow as a step that another run of it takes back, and a payment behind it that the bank refuses.
const STEPS: &str = concat!(
    "      steps:\n",
    "        - name: deploy\n          ",
    deploys!("${params.version}"),
    "          undo:\n            ",
    deploys!("before"),
    "        - name: pay\n",
    "          http:\n",
    "            method: POST\n",
    "            url: https://bank.example/payments\n",
    "            allow_private: true\n",
    "            idempotency_header: Idempotency-Key\n",
    "            body: { supplier: \"${params.service}\" }\n",
);

fn in_steps() -> Setup {
    let mut setup = deploying();
    let (_, at_once) = ACTION.split_once("    execute:\n").unwrap();
    setup.edits.push(("catalog.yaml", at_once, STEPS));
    setup
}

/// The deployment is done, and what takes it back goes on: its run.
async fn taken_back(world: &mut World, deploy: &Opened, run: u64) -> u64 {
    world.github.finish_run(REPO, run, "success").unwrap();
    let back = world.run_is("in_progress").await;
    let [first, second] = world.runs().try_into().unwrap();
    assert_eq!(
        (&first["display_title"], &second["display_title"]),
        (
            &format!("{}/1/deploy", deploy.id).into(),
            &format!("{}/1/deploy/undo", deploy.id).into()
        )
    );
    assert_eq!(world.github.entered(REPO).unwrap(), [run, back]);
    back
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_what_a_workflow_did_is_taken_back_by_another_run() {
    for (conclusion, state) in [("success", "undone"), ("failure", "unknown")] {
        story_with(in_steps(), async |world| {
            let (deploy, run) = world.running().await;
            let back = taken_back(world, &deploy, run).await;
            world.github.finish_run(REPO, back, conclusion).unwrap();
            world.ended(&deploy, state).await;
            assert_eq!((world.runs().len(), world.acted()), (2, (0, 0)));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_what_a_freeze_leaves_half_done_is_taken_back_by_a_workflow_all_the_same() {
    story_with(in_steps(), async |world| {
        let (deploy, run) = world.running().await;
        world.frozen_by_alice(&deploy).await;
        let back = taken_back(world, &deploy, run).await;
        world.github.finish_run(REPO, back, "success").unwrap();
        world.ended(&deploy, "undone").await;
        let frozen = world.about(&deploy).pop().unwrap();
        assert_eq!(frozen["body"]["steps"][1]["note"], "executions are frozen");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_workflow_that_can_t_take_it_back_is_an_incident() {
    story_with(in_steps(), async |world| {
        let (deploy, run) = world.running().await;
        world.github.enable_rules(REPO, ENVIRONMENT, false).unwrap();
        world.github.finish_run(REPO, run, "success").unwrap();
        world.ended(&deploy, "partial").await;
        world.only_entered(run);
        let told = world.of_kind("incident");
        let what = told[0]["body"]["what"].as_str().unwrap();
        assert!(
            told.len() == 1 && what.contains("step `deploy` can't be undone") && what.contains(ENVIRONMENT),
            "{told:#?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_crash_while_it_is_taken_back_follows_that_run() {
    story_with(in_steps(), async |world| {
        let (deploy, run) = world.running().await;
        let back = taken_back(world, &deploy, run).await;
        world.crash();
        world.start().await.unwrap();
        world.sweep().await;
        world.github.finish_run(REPO, back, "success").unwrap();
        world.ended(&deploy, "undone").await;
        assert_eq!(world.github.entered(REPO).unwrap(), [run, back]);
        assert_eq!((world.runs().len(), world.acted()), (2, (0, 0)));
    })
    .await;
}
