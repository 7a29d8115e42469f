//! A step that a workflow takes and another run takes back, when the step behind it fails. INVARIANT i21, i22.

use countersign::sandbox::Runners;

use super::{ENVIRONMENT, deploying};
use crate::world::{Opened, REPO, Setup, World, story_with};

/// The workflow as a step that another run of it takes back, and a payment behind it that the bank refuses.
const STEPS: &str = r#"    execute:
      steps:
        - name: deploy
          actions:
            workflow: deploy.yml
            ref: main
            environment: production
            within: 10m
            nonce: nonce
            inputs: { service: "${params.service}", version: "${params.version}" }
          undo:
            actions:
              workflow: deploy.yml
              ref: main
              environment: production
              within: 10m
              nonce: nonce
              inputs: { service: "${params.service}", version: before }
        - name: pay
          http:
            method: POST
            url: https://bank.example/payments
            allow_private: true
            idempotency_header: Idempotency-Key
            body: { supplier: "${params.service}" }
"#;
const WHOLE: &str = r#"    execute:
      actions:
        workflow: deploy.yml
        ref: main
        environment: production
        within: 10m
        nonce: nonce
        inputs: { service: "${params.service}", version: "${params.version}" }
"#;

fn in_steps() -> Setup {
    let mut setup = deploying();
    setup.edits.push(("catalog.yaml", WHOLE, STEPS));
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
            let (deploy, run) = world.runs_until(Runners::Hold, "in_progress").await;
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
        let (deploy, run) = world.runs_until(Runners::Hold, "in_progress").await;
        world
            .comment("alice", &deploy, "/freeze all the shop is open")
            .await;
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
        let (deploy, run) = world.runs_until(Runners::Hold, "in_progress").await;
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
        let (deploy, run) = world.runs_until(Runners::Hold, "in_progress").await;
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
